//! A host that passes everything on and records its replies.

use async_trait::async_trait;
use pylon_core::completion::{CompletionSummary, GuestCompletionRequest, GuestInferenceError};
use pylon_core::guest::LogLevel;
use pylon_core::input::InputError;
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use pylon_core::sync::lock;
use pylon_core::transcript::{RecordedText, Recorder, StreamEnd, Transcript};
use pylon_core::work::Output;
use pylon_core::{InputSource, Job};
use std::sync::{Arc, Mutex};

/// Records the replies of another host.
pub(super) struct RecordingHost {
    host: Arc<dyn HandlerHost>,
    job: Arc<Job>,
    recorder: Arc<Mutex<Recorder>>,
}

impl RecordingHost {
    pub(super) fn new(host: Arc<dyn HandlerHost>, job: Arc<Job>) -> Self {
        Self { host, job, recorder: Arc::new(Mutex::new(Recorder::new())) }
    }

    /// The replies to the handler that returned this output.
    pub(super) fn finish(&self, output: Option<&Output>) -> Option<Transcript> {
        lock(&self.recorder).finish(output)
    }
}

#[async_trait]
impl HandlerHost for RecordingHost {
    async fn generate(
        &self,
        request: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        let stream = self.host.generate(request).await;
        let number = lock(&self.recorder).completion(stream.as_ref().err().cloned());
        let recorder = Arc::clone(&self.recorder);
        Ok(Box::new(RecordingStream { stream: stream?, number, recorder, end: None }))
    }

    async fn partial(&self, text: String) -> bool {
        let continues = self.host.partial(text).await;
        lock(&self.recorder).feedback(continues);
        continues
    }

    async fn report(&self, permille: Option<u32>, note: String) -> bool {
        let continues = self.host.report(permille, note).await;
        lock(&self.recorder).feedback(continues);
        continues
    }

    async fn read(&self, index: u32) -> Result<String, InputError> {
        let text = self.host.read(index).await;
        let is_in_request = matches!(
            self.job.inputs.get(index as usize).map(|input| &input.source),
            Some(InputSource::Text(_))
        );
        let recorded = text.as_ref().map(|text| {
            if is_in_request { RecordedText::Request } else { RecordedText::Inline(text.clone()) }
        });
        lock(&self.recorder).input(index, recorded.map_err(Clone::clone));
        text
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.host.log(level, message);
    }
}

/// A recorded completion. After its end, further calls get the same end.
struct RecordingStream {
    stream: Box<dyn GuestStream>,
    number: usize,
    recorder: Arc<Mutex<Recorder>>,
    end: Option<Result<(), GuestInferenceError>>,
}

#[async_trait]
impl GuestStream for RecordingStream {
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError> {
        if let Some(end) = &self.end {
            return end.clone().map(|()| None);
        }
        let next = self.stream.next().await;
        let mut recorder = lock(&self.recorder);
        match &next {
            Ok(Some(text)) => recorder.chunk(self.number, text),
            Ok(None) => {
                self.end = Some(Ok(()));
                recorder.end(self.number, StreamEnd::Complete(self.stream.summary()));
            }
            Err(error) => {
                self.end = Some(Err(error.clone()));
                recorder.end(self.number, StreamEnd::Broken(error.clone()));
            }
        }
        next
    }

    fn summary(&self) -> Option<CompletionSummary> {
        self.end.as_ref().and_then(|end| end.as_ref().ok()).and_then(|()| self.stream.summary())
    }
}

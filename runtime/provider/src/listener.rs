//! Between a handler and its host: passes everything on, and writes down what the handler heard.

use async_trait::async_trait;
use pylon_core::completion::{CompletionSummary, GuestCompletionRequest, GuestInferenceError};
use pylon_core::guest::LogLevel;
use pylon_core::input::InputError;
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use pylon_core::transcript::{RecordedText, Recorder, StreamEnd, Transcript};
use pylon_core::work::Output;
use pylon_core::{InputSource, Job};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A host that is listened to.
pub(super) struct Listener {
    host: Arc<dyn HandlerHost>,
    job: Arc<Job>,
    heard: Arc<Mutex<Recorder>>,
}

impl Listener {
    pub(super) fn new(host: Arc<dyn HandlerHost>, job: Arc<Job>) -> Self {
        Self { host, job, heard: Arc::new(Mutex::new(Recorder::new())) }
    }

    /// All that was heard by the handler that made this.
    pub(super) fn finish(&self, output: Option<&Output>) -> Option<Transcript> {
        lock(&self.heard).finish(output)
    }
}

fn lock(heard: &Mutex<Recorder>) -> MutexGuard<'_, Recorder> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl HandlerHost for Listener {
    async fn generate(
        &self,
        request: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        let begun = self.host.generate(request).await;
        let number = lock(&self.heard).completion(begun.as_ref().err().cloned());
        Ok(Box::new(Stream { stream: begun?, number, heard: Arc::clone(&self.heard), end: None }))
    }

    async fn partial(&self, text: String) -> bool {
        let goes_on = self.host.partial(text).await;
        lock(&self.heard).feedback(goes_on);
        goes_on
    }

    async fn report(&self, permille: Option<u32>, note: String) -> bool {
        let goes_on = self.host.report(permille, note).await;
        lock(&self.heard).feedback(goes_on);
        goes_on
    }

    async fn read(&self, index: u32) -> Result<String, InputError> {
        let text = self.host.read(index).await;
        let in_request = matches!(
            self.job.inputs.get(index as usize).map(|input| &input.source),
            Some(InputSource::Text(_))
        );
        let kept = text.as_ref().map(|text| {
            if in_request { RecordedText::Request } else { RecordedText::Inline(text.clone()) }
        });
        lock(&self.heard).input(index, kept.map_err(Clone::clone));
        text
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.host.log(level, message);
    }
}

/// A generation that is listened to. Its end is its end: whoever asks again hears the same.
struct Stream {
    stream: Box<dyn GuestStream>,
    number: usize,
    heard: Arc<Mutex<Recorder>>,
    end: Option<Result<(), GuestInferenceError>>,
}

#[async_trait]
impl GuestStream for Stream {
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError> {
        if let Some(end) = &self.end {
            return end.clone().map(|()| None);
        }
        let next = self.stream.next().await;
        let mut heard = lock(&self.heard);
        match &next {
            Ok(Some(text)) => heard.chunk(self.number, text),
            Ok(None) => {
                self.end = Some(Ok(()));
                heard.end(self.number, StreamEnd::Complete(self.stream.summary()));
            }
            Err(error) => {
                self.end = Some(Err(error.clone()));
                heard.end(self.number, StreamEnd::Broken(error.clone()));
            }
        }
        next
    }

    fn summary(&self) -> Option<CompletionSummary> {
        self.end.as_ref().and_then(|end| end.as_ref().ok()).and_then(|()| self.stream.summary())
    }
}

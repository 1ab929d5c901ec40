//! A host that repeats the answers of a recorded one. A handler that asks for anything else has
//! diverged: its output is not compared.

use super::Difference;
use async_trait::async_trait;
use pylon_core::completion::{CompletionSummary, GuestCompletionRequest, GuestInferenceError};
use pylon_core::guest::LogLevel;
use pylon_core::input::InputError;
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use pylon_core::sync::lock;
use pylon_core::transcript::{HostReply, RecordedText, StreamEnd, Transcript};
use pylon_core::{Digest, InputSource, Job};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// The host of one recorded attempt.
pub struct ReplayHost {
    job: Arc<Job>,
    transcript: Transcript,
    /// Those not requested yet, the next one last.
    completions: Mutex<Vec<HostReply>>,
    /// Partial outputs and reports so far.
    messages: AtomicU32,
    diverged: Arc<AtomicBool>,
}

impl ReplayHost {
    /// The host with this transcript. `content` is the output of the attempt, which the transcript
    /// may refer to by digest; the error is a content with another digest.
    pub fn new(
        job: Arc<Job>,
        mut transcript: Transcript,
        content: Option<String>,
    ) -> Result<Self, Difference> {
        for reply in &mut transcript.completions {
            if let HostReply::Answered { text, .. } = reply
                && let RecordedText::Output(digest) = text
            {
                let content = content.clone().unwrap_or_default();
                let found = Digest::of(content.as_bytes());
                if found != *digest {
                    return Err(Difference {
                        what: "output",
                        recorded: digest.to_hex(),
                        found: found.to_hex(),
                    });
                }
                *text = RecordedText::Inline(content);
            }
        }
        let completions = std::mem::take(&mut transcript.completions).into_iter().rev().collect();
        Ok(Self {
            job,
            transcript,
            completions: Mutex::new(completions),
            messages: AtomicU32::new(0),
            diverged: Arc::new(AtomicBool::new(false)),
        })
    }

    /// The difference if the handler asked for more, for less or for something else.
    pub fn divergence(&self) -> Option<Difference> {
        let left = lock(&self.completions).len();
        let diverged = self.diverged.load(Ordering::Relaxed) || left > 0;
        diverged.then(|| Difference {
            what: "input",
            recorded: "what the handler asked its host for".into(),
            found: "it asks its host for something else".into(),
        })
    }

    /// Whether the recorded host accepted a message at this place.
    fn accepts(&self) -> bool {
        !self.transcript.stops.contains(&self.messages.fetch_add(1, Ordering::Relaxed))
    }
}

fn not_recorded() -> String {
    "not in the record".into()
}

#[async_trait]
impl HandlerHost for ReplayHost {
    async fn generate(
        &self,
        _: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        match lock(&self.completions).pop() {
            Some(HostReply::Refused(error)) => Err(error),
            Some(HostReply::Answered { text: RecordedText::Inline(text), chunks, end }) => {
                Ok(Box::new(ReplayStream {
                    text,
                    chunks: chunks.into_iter(),
                    at: 0,
                    end,
                    ended: false,
                    diverged: Arc::clone(&self.diverged),
                }))
            }
            Some(HostReply::Answered { .. }) | None => {
                self.diverged.store(true, Ordering::Relaxed);
                Err(GuestInferenceError::Other(not_recorded()))
            }
        }
    }

    async fn partial(&self, _: String) -> bool {
        self.accepts()
    }

    async fn report(&self, _: Option<u32>, _: String) -> bool {
        self.accepts()
    }

    async fn read(&self, index: u32) -> Result<String, InputError> {
        let source = self.job.inputs.get(index as usize).map(|input| &input.source);
        match (self.transcript.inputs.get(&index), source) {
            (Some(Ok(RecordedText::Inline(text))), _) => Ok(text.clone()),
            (Some(Ok(RecordedText::Request)), Some(InputSource::Text(text))) => Ok(text.clone()),
            (Some(Err(error)), _) => Err(error.clone()),
            _ => {
                self.diverged.store(true, Ordering::Relaxed);
                Err(InputError::Other(not_recorded()))
            }
        }
    }

    fn log(&self, _: LogLevel, _: &str) {}
}

/// A recorded completion, in its recorded chunks.
struct ReplayStream {
    text: String,
    chunks: std::vec::IntoIter<u32>,
    at: usize,
    end: Option<StreamEnd>,
    ended: bool,
    diverged: Arc<AtomicBool>,
}

#[async_trait]
impl GuestStream for ReplayStream {
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError> {
        if let Some(length) = self.chunks.next() {
            let end = self.at.saturating_add(length as usize);
            let chunk = self.text.get(self.at..end).map(str::to_owned);
            self.at = end;
            if chunk.is_some() {
                return Ok(chunk);
            }
        }
        match &self.end {
            Some(StreamEnd::Complete(_)) if self.at == self.text.len() => {
                self.ended = true;
                Ok(None)
            }
            Some(StreamEnd::Broken(error)) if self.at == self.text.len() => Err(error.clone()),
            _ => {
                self.diverged.store(true, Ordering::Relaxed);
                Err(GuestInferenceError::Other(not_recorded()))
            }
        }
    }

    fn summary(&self) -> Option<CompletionSummary> {
        match &self.end {
            Some(StreamEnd::Complete(summary)) if self.ended => summary.clone(),
            _ => None,
        }
    }
}

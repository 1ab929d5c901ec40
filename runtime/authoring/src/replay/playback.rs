//! A host that says again what it said. A handler that asks for anything else has strayed, and what it makes of that is no answer.

use super::Difference;
use async_trait::async_trait;
use pylon_core::completion::{CompletionSummary, GuestCompletionRequest, GuestInferenceError};
use pylon_core::guest::LogLevel;
use pylon_core::input::InputError;
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use pylon_core::transcript::{HostReply, RecordedText, StreamEnd, Transcript};
use pylon_core::{Digest, InputSource, Job};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a host said in one attempt.
pub struct Playback {
    job: Arc<Job>,
    transcript: Transcript,
    /// What is still to be heard, the next generation last.
    generations: Mutex<Vec<HostReply>>,
    told: AtomicU32,
    strayed: Arc<AtomicBool>,
}

impl Playback {
    /// Of this transcript; `content` is what the attempt made, which the transcript may quote. A difference if it is not what is quoted.
    pub fn of(
        job: Arc<Job>,
        mut transcript: Transcript,
        content: Option<String>,
    ) -> Result<Self, Difference> {
        for heard in &mut transcript.completions {
            if let HostReply::Answered { text, .. } = heard
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
        let generations = std::mem::take(&mut transcript.completions).into_iter().rev().collect();
        let strayed = Arc::new(AtomicBool::new(false));
        Ok(Self {
            job,
            transcript,
            generations: Mutex::new(generations),
            told: AtomicU32::new(0),
            strayed,
        })
    }

    /// Was it asked for something that it was not asked before?
    pub fn strayed(&self) -> Option<Difference> {
        let left = self.generations.lock().unwrap_or_else(PoisonError::into_inner).len();
        let strayed = self.strayed.load(Ordering::Relaxed) || left > 0;
        strayed.then(|| Difference {
            what: "input",
            recorded: "what the handler heard".into(),
            found: "it asks its host for something else".into(),
        })
    }

    fn tell(&self) -> bool {
        !self.transcript.stops.contains(&self.told.fetch_add(1, Ordering::Relaxed))
    }
}

fn not_recorded() -> String {
    "not in the record".into()
}

#[async_trait]
impl HandlerHost for Playback {
    async fn generate(
        &self,
        _: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        match self.generations.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            Some(HostReply::Refused(error)) => Err(error),
            Some(HostReply::Answered { text: RecordedText::Inline(text), chunks, end }) => {
                Ok(Box::new(Again {
                    text,
                    chunks: chunks.into_iter(),
                    at: 0,
                    end,
                    ended: false,
                    strayed: Arc::clone(&self.strayed),
                }))
            }
            Some(HostReply::Answered { .. }) | None => {
                self.strayed.store(true, Ordering::Relaxed);
                Err(GuestInferenceError::Other(not_recorded()))
            }
        }
    }

    async fn partial(&self, _: String) -> bool {
        self.tell()
    }

    async fn report(&self, _: Option<u32>, _: String) -> bool {
        self.tell()
    }

    async fn read(&self, index: u32) -> Result<String, InputError> {
        let source = self.job.inputs.get(index as usize).map(|input| &input.source);
        match (self.transcript.inputs.get(&index), source) {
            (Some(Ok(RecordedText::Inline(text))), _) => Ok(text.clone()),
            (Some(Ok(RecordedText::Request)), Some(InputSource::Text(text))) => Ok(text.clone()),
            (Some(Err(error)), _) => Err(error.clone()),
            _ => {
                self.strayed.store(true, Ordering::Relaxed);
                Err(InputError::Other(not_recorded()))
            }
        }
    }

    fn log(&self, _: LogLevel, _: &str) {}
}

/// A generation that is heard again, cut as it was.
struct Again {
    text: String,
    chunks: std::vec::IntoIter<u32>,
    at: usize,
    end: Option<StreamEnd>,
    ended: bool,
    strayed: Arc<AtomicBool>,
}

#[async_trait]
impl GuestStream for Again {
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
                self.strayed.store(true, Ordering::Relaxed);
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

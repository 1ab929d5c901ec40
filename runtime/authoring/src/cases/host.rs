//! What a handler finds behind its imports in a case: inputs and answers that the author wrote down, and a memory of what was asked.

use super::form::{Answer, Case, Input, NoText, Scripted};
use async_trait::async_trait;
use pylon_core::completion::{CompletionSummary, GuestCompletionRequest, GuestInferenceError};
use pylon_core::guest::LogLevel;
use pylon_core::input::InputError;
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use pylon_core::work::Usage;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Bytes of an answer that come at once, about a token.
const PIECE_BYTES: usize = 8;

/// One for each case.
pub(super) struct Host {
    inputs: Vec<Option<String>>,
    /// `None`: every generation has the same answer.
    answers: Mutex<Option<VecDeque<Answer>>>,
    seen: Mutex<Seen>,
}

/// What a guest did.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub generations: u64,
    /// All messages of the last generation.
    pub prompt: String,
    pub partials: u64,
    pub log: Vec<String>,
}

impl Host {
    pub(super) fn new(case: &Case) -> Self {
        let text = |input: &Input| match input {
            Input::Text(text) => Some(text.clone()),
            Input::Place(place) => place.text.clone().or_else(|| place.fetched.clone()),
        };
        Self {
            inputs: case.job.inputs.iter().map(text).collect(),
            answers: Mutex::new(case.answers.clone().map(Into::into)),
            seen: Mutex::default(),
        }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn see(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn answer(&self) -> Result<Scripted, GuestInferenceError> {
        let answer = match &mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(answers) => answers.pop_front(),
            None => Some(Answer::Text("An answer.".into())),
        };
        match answer {
            Some(Answer::Text(text)) => Ok(Scripted { text, ..Scripted::default() }),
            Some(Answer::Scripted(scripted)) => Ok(scripted),
            None => Err(GuestInferenceError::Other("the case has no further answer".into())),
        }
    }
}

#[async_trait]
impl HandlerHost for Host {
    async fn generate(
        &self,
        request: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        let prompt = request
            .messages
            .iter()
            .map(|message| message.content.as_str())
            .collect::<Vec<_>>()
            .join("\n");
        let read = prompt.len() as u64;
        self.see(|seen| {
            seen.generations += 1;
            seen.prompt = prompt;
        });
        let script = self.answer()?;
        match script.error {
            None => Ok(Box::new(Stream { script, input_tokens: Usage::estimate(read), told: 0 })),
            Some(NoText::NoBackend) => Err(GuestInferenceError::NoBackend),
            Some(NoText::TooLong) => Err(GuestInferenceError::TooLong(0)),
            Some(NoText::Unsupported) => Err(GuestInferenceError::Unsupported(script.text)),
            Some(NoText::Timeout) => Err(GuestInferenceError::Timeout),
            Some(NoText::Cancelled) => Err(GuestInferenceError::Cancelled),
            Some(NoText::Other) => Err(GuestInferenceError::Other(script.text)),
        }
    }

    async fn partial(&self, _: String) -> bool {
        self.see(|seen| seen.partials += 1);
        true
    }

    async fn report(&self, _: Option<u32>, _: String) -> bool {
        true
    }

    async fn read(&self, index: u32) -> Result<String, InputError> {
        let input = usize::try_from(index).ok().and_then(|index| self.inputs.get(index));
        input.cloned().flatten().ok_or(InputError::Denied)
    }

    fn log(&self, _: LogLevel, message: &str) {
        self.see(|seen| seen.log.push(message.into()));
    }
}

struct Stream {
    script: Scripted,
    input_tokens: u64,
    told: usize,
}

#[async_trait]
impl GuestStream for Stream {
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError> {
        let rest = self.script.text.get(self.told..).unwrap_or_default();
        let end =
            (PIECE_BYTES..rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
        let piece = rest.get(..end).unwrap_or_default().to_owned();
        self.told += piece.len();
        Ok((!piece.is_empty()).then_some(piece))
    }

    fn summary(&self) -> Option<CompletionSummary> {
        let output_tokens = Usage::estimate(self.script.text.len() as u64);
        (self.told == self.script.text.len()).then(|| CompletionSummary {
            length: self.script.cut,
            model: self.script.model.clone().unwrap_or_else(|| "model".into()),
            ignored_params: self.script.ignored_params.clone(),
            usage: Usage {
                input_tokens: self.input_tokens,
                output_tokens,
                estimated: true,
                ..Usage::default()
            },
        })
    }
}

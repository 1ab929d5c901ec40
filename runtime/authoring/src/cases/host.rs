//! What a handler finds behind its imports in a case: the inputs and the answers of the model that
//! its author wrote down. It counts what the handler does.

use super::defaults;
use super::script::Script;
use async_trait::async_trait;
use pylon_core::completion::{CompletionSummary, GuestCompletionRequest, GuestInferenceError};
use pylon_core::guest::LogLevel;
use pylon_core::input::InputError;
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use pylon_core::sync::lock;
use pylon_core::work::Usage;
use std::collections::VecDeque;
use std::sync::Mutex;

/// Bytes of an answer that come at once, about a token.
const CHUNK_BYTES: usize = 8;

/// The host of one case.
pub(super) struct ScriptedHost {
    texts: Vec<Option<String>>,
    /// `None`: each completion has the same answer.
    answers: Mutex<Option<VecDeque<Script>>>,
    observed: Mutex<Observed>,
}

/// What a handler did.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    pub completions: u64,
    /// All messages of the last completion.
    pub prompt: String,
    pub partials: u64,
    pub log: Vec<String>,
}

impl ScriptedHost {
    pub(super) fn new(texts: Vec<Option<String>>, answers: Option<Vec<Script>>) -> Self {
        Self { texts, answers: Mutex::new(answers.map(Into::into)), observed: Mutex::default() }
    }

    pub(super) fn observed(&self) -> Observed {
        lock(&self.observed).clone()
    }

    fn observe(&self, change: impl FnOnce(&mut Observed)) {
        change(&mut lock(&self.observed));
    }

    fn next_answer(&self) -> Result<Script, GuestInferenceError> {
        match &mut *lock(&self.answers) {
            Some(answers) => answers
                .pop_front()
                .ok_or_else(|| GuestInferenceError::Other("the case has no further answer".into())),
            None => Ok(Script::text("An answer.")),
        }
    }
}

#[async_trait]
impl HandlerHost for ScriptedHost {
    async fn generate(
        &self,
        request: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        let texts: Vec<_> = request.messages.iter().map(|message| &*message.content).collect();
        let prompt = texts.join("\n");
        let prompt_bytes = prompt.len() as u64;
        self.observe(|observed| {
            observed.completions += 1;
            observed.prompt = prompt;
        });
        let Script { text, end } = self.next_answer()?;
        let mut summary = end?;
        // What the case says was used, or an estimate.
        if summary.usage == defaults::summary().usage {
            summary.usage.input_tokens = Usage::estimate(prompt_bytes);
            summary.usage.output_tokens = Usage::estimate(text.len() as u64);
        }
        Ok(Box::new(ScriptedStream { text, summary, sent: 0 }))
    }

    async fn partial(&self, _: String) -> bool {
        self.observe(|observed| observed.partials += 1);
        true
    }

    async fn report(&self, _: Option<u32>, _: String) -> bool {
        true
    }

    async fn read(&self, index: u32) -> Result<String, InputError> {
        let text = usize::try_from(index).ok().and_then(|index| self.texts.get(index));
        text.cloned().flatten().ok_or(InputError::Denied)
    }

    fn log(&self, _: LogLevel, message: &str) {
        self.observe(|observed| observed.log.push(message.into()));
    }
}

struct ScriptedStream {
    text: String,
    summary: CompletionSummary,
    sent: usize,
}

#[async_trait]
impl GuestStream for ScriptedStream {
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError> {
        let rest = self.text.get(self.sent..).unwrap_or_default();
        let end =
            (CHUNK_BYTES..rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
        let chunk = rest.get(..end).unwrap_or_default().to_owned();
        self.sent += chunk.len();
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    fn summary(&self) -> Option<CompletionSummary> {
        (self.sent == self.text.len()).then(|| self.summary.clone())
    }
}

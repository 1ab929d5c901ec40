//! A streamed answer, read event by event, with its timeouts and limits. Dropping it closes the
//! connection, which stops the server's work. Strict in text and end, lenient in the rest.

use super::server_error::ServerError;
use super::sse::{Event, SseError, SseReader};
use super::unavailable;
use super::usage::TokenCounter;
use super::wire::{MaybeText, StreamEvent};
use async_trait::async_trait;
use pylon_core::completion::{Chunk, CompletionEnd, CompletionRequest};
use pylon_core::model_name::public_name;
use pylon_core::ports::inference::{BackendFault, CompletionStream, InferenceError};
use pylon_egress::http::shorten;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The longest tokens of current vocabularies are runs of 128 spaces.
const TOKEN_BYTES_MAX: usize = 128;
/// Whatever limit was requested.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of an answer that may turn out to be no stream of events.
const HEAD_BYTES_MAX: usize = 4 * 1024;

pub(super) struct AnswerStream {
    response: Response,
    reader: SseReader,
    is_closed: bool,
    /// The first bytes, until the first event.
    head: Option<Vec<u8>>,
    deadline: Instant,
    token_timeout: Duration,
    bytes_left: usize,
    tokens: TokenCounter,
    max_tokens: u32,
    /// The model, by the server's id and by its public name.
    model_id: String,
    model: String,
    is_model_reported: bool,
    has_reasoning: bool,
    finish: Option<Finish>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Finish {
    Stop,
    Length,
}

impl Finish {
    /// By a finish reason; `None` if it says nothing. The error is a reason for which the text is
    /// no answer.
    fn of(reason: &str) -> Result<Option<Self>, InferenceError> {
        match reason.trim().to_ascii_lowercase().as_str() {
            "" | "null" | "none" => Ok(None),
            "stop" | "eos" | "eos_token" | "stop_sequence" | "end_turn" => Ok(Some(Self::Stop)),
            "length" | "max_tokens" | "max_length" | "model_length" => Ok(Some(Self::Length)),
            other => Err(failed(
                BackendFault::Truncated,
                &format!("the answer ended with the finish reason `{other}`"),
            )),
        }
    }
}

impl AnswerStream {
    /// The answer to this request by the model with this id of the server.
    pub(super) fn new(
        response: Response,
        request: &CompletionRequest,
        model_id: &str,
        deadline: Instant,
        token_timeout: Duration,
    ) -> Self {
        let tokens = usize::try_from(request.max_tokens).unwrap_or(usize::MAX);
        Self {
            response,
            reader: SseReader::default(),
            is_closed: false,
            head: Some(Vec::new()),
            deadline,
            token_timeout,
            bytes_left: tokens.saturating_mul(TOKEN_BYTES_MAX).min(ANSWER_BYTES_MAX),
            tokens: TokenCounter::new(request),
            max_tokens: request.max_tokens,
            model_id: model_id.to_owned(),
            model: request.model.clone(),
            is_model_reported: false,
            has_reasoning: false,
            finish: None,
        }
    }

    /// The next event; `None` at the end of the stream.
    async fn event(&mut self) -> Result<Option<Event>, InferenceError> {
        loop {
            if let Some(event) = self.reader.next().map_err(|error| self.unreadable(error))? {
                self.head = None;
                return Ok(Some(event));
            }
            if self.is_closed {
                return Ok(None);
            }
            match timeout_at(self.deadline, self.response.chunk()).await {
                Err(_) => return Err(InferenceError::Timeout),
                Ok(Ok(Some(bytes))) => {
                    if let Some(head) = &mut self.head {
                        head.extend(bytes.iter().take(HEAD_BYTES_MAX - head.len()));
                    }
                    self.reader.push(&bytes);
                }
                Ok(Ok(None)) => {
                    self.is_closed = true;
                    self.reader.close();
                }
                Ok(Err(error)) => return Err(unavailable(error)),
            }
        }
    }

    /// Records the content of an event and returns its text.
    fn take(&mut self, event: StreamEvent<'_>) -> Result<Option<String>, InferenceError> {
        if let MaybeText(Some(id)) = &event.model {
            self.report_model(id);
        }
        self.tokens.report(&event.usage, &event.timings);
        let mut choices = event.choices.unwrap_or_default().into_iter();
        let Some(mut choice) = choices.find(|choice| choice.is_first()) else { return Ok(None) };
        if let MaybeText(Some(reason)) = &choice.finish_reason {
            self.finish = Finish::of(reason)?.or(self.finish);
        }
        let delta = choice.take_delta();
        if delta.is_reasoning() {
            self.has_reasoning = true;
            self.deadline = Instant::now() + self.token_timeout;
        }
        let Some(text) = delta.content.filter(|text| !text.is_empty()) else { return Ok(None) };
        let left = self.bytes_left.checked_sub(text.len());
        self.bytes_left = left
            .ok_or_else(|| failed(BackendFault::TooLong, "the answer is longer than requested"))?;
        self.tokens.add(&text);
        self.deadline = Instant::now() + self.token_timeout;
        Ok(Some(text))
    }

    /// The first report counts. A server may report another model than the one that was requested.
    fn report_model(&mut self, id: &str) {
        if std::mem::replace(&mut self.is_model_reported, true) || *id == *self.model_id {
            return;
        }
        if let Some(name) = public_name(id) {
            self.model = shorten(name);
        }
    }

    /// The end of a complete answer.
    fn end(&mut self) -> Result<Chunk, InferenceError> {
        let usage = self.tokens.count();
        if self.has_reasoning && !self.tokens.has_text() {
            let counted = Some(usage.output_tokens).filter(|_| !usage.estimated);
            let tokens = counted.unwrap_or_else(|| u64::from(self.max_tokens));
            return Err(InferenceError::OnlyReasoning(tokens));
        }
        Ok(Chunk::End(CompletionEnd {
            length: self.finish == Some(Finish::Length),
            model: std::mem::take(&mut self.model),
            ignored_params: Vec::new(),
            usage,
        }))
    }

    /// The end of a stream that has no more events.
    fn closed(&mut self) -> Result<Chunk, InferenceError> {
        // Some servers close without `[DONE]`; without a finish reason the answer is incomplete.
        if self.finish.is_some() {
            return self.end();
        }
        match self.head.take().filter(|head| !head.trim_ascii().is_empty()) {
            Some(head) => Err(self.not_a_stream(&head)),
            None => Err(failed(BackendFault::Truncated, "the answer broke off")),
        }
    }

    /// A server that accepts a request and answers with an error or a page.
    fn not_a_stream(&self, head: &[u8]) -> InferenceError {
        let head = String::from_utf8_lossy(head);
        let error = ServerError::of_text(&head).into_error(BackendFault::Unreadable);
        let InferenceError::Failed(BackendFault::Unreadable, words) = error else { return error };
        let content_type = self.response.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|it| it.to_str().ok()).unwrap_or("no type");
        failed(
            BackendFault::Unreadable,
            &format!("its answer ({content_type}) is not a stream of events: {words}"),
        )
    }

    fn unreadable(&self, error: SseError) -> InferenceError {
        match (error, &self.head) {
            (SseError::TooLong, Some(head)) if !head.starts_with(b"data") => {
                self.not_a_stream(head)
            }
            (SseError::TooLong, _) => failed(BackendFault::Unreadable, "an event that is too long"),
            (SseError::NotUtf8, _) => {
                failed(BackendFault::Unreadable, "an answer that is not UTF-8")
            }
        }
    }
}

#[async_trait]
impl CompletionStream for AnswerStream {
    async fn next(&mut self) -> Result<Chunk, InferenceError> {
        loop {
            let data = match self.event().await? {
                None => return self.closed(),
                Some(Event::Error(words)) => return Err(server_error(&words)),
                Some(Event::Data(data)) => data,
            };
            match data.trim() {
                "" => continue,
                // Without a finish reason the text is complete, too: the server says so.
                "[DONE]"
                    if self.finish.is_some() || self.tokens.has_text() || self.has_reasoning =>
                {
                    return self.end();
                }
                "[DONE]" => return Err(failed(BackendFault::Truncated, "the answer broke off")),
                _ => {}
            }
            let event: StreamEvent<'_> = match serde_json::from_str(&data) {
                Ok(event) => event,
                // The rest of an event when the server closed the connection.
                Err(_) if self.is_closed => continue,
                Err(_) => {
                    return Err(failed(
                        BackendFault::Unreadable,
                        &format!("an event that cannot be read: {data}"),
                    ));
                }
            };
            if event.is_error() {
                return Err(server_error(&data));
            }
            if let Some(text) = self.take(event)? {
                return Ok(Chunk::Text(text));
            }
        }
    }
}

fn server_error(words: &str) -> InferenceError {
    ServerError::of_text(words).into_error(BackendFault::Internal)
}

fn failed(how: BackendFault, what: &str) -> InferenceError {
    InferenceError::Failed(how, shorten(what))
}

//! A streamed answer, read event by event, with its timeouts and limits. Dropping it closes the
//! connection, which stops the server's work.

use super::wire::{ErrorObject, StreamEvent, Text, Timings, Usage};
use async_trait::async_trait;
use eventsource_stream::{Event, EventStream, EventStreamError};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use pylon_core::completion::{Chunk, CompletionEnd, CompletionRequest};
use pylon_core::ports::inference::{BackendFault, CompletionStream, InferenceError};
use pylon_egress::http::{error_message, shorten};
use reqwest::Response;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// One event is one token with its envelope.
const EVENT_BYTES_MAX: usize = 256 * 1024;
/// The longest tokens of current vocabularies are runs of 128 spaces.
const TOKEN_BYTES_MAX: usize = 128;
/// Whatever limit was requested.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Characters per token in an estimate.
const CHARS_PER_TOKEN: u64 = 4;
/// Tokens that a chat template may add to a message, and to all messages together.
const TEMPLATE_TOKENS_MAX: usize = 64;

/// Why the stream cannot be read further.
enum StreamError {
    Transport(reqwest::Error),
    EventTooLong,
}

pub(super) struct AnswerStream {
    events: BoxStream<'static, Result<Event, EventStreamError<StreamError>>>,
    /// Bytes since the last event: limits the memory that a server can occupy.
    pending: Arc<AtomicUsize>,
    deadline: Instant,
    token_timeout: Duration,
    bytes_left: usize,
    /// For the estimate.
    chars_in: u64,
    chars_out: u64,
    most: UsageLimit,
    model: Option<String>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    timings: Option<Timings>,
}

/// The maximum usage of an answer: a larger count is false, and the customer would pay for it.
struct UsageLimit {
    input_tokens: u64,
    output_tokens: u64,
}

impl UsageLimit {
    /// A token of text has at least one byte; templates add some tokens to each message.
    fn of(request: &CompletionRequest) -> Self {
        let bytes: usize = request
            .messages
            .iter()
            .map(|message| message.content.len().saturating_add(TEMPLATE_TOKENS_MAX))
            .sum();
        let input_tokens =
            u64::try_from(bytes.saturating_add(TEMPLATE_TOKENS_MAX)).unwrap_or(u64::MAX);
        Self { input_tokens, output_tokens: u64::from(request.max_tokens) }
    }
}

#[derive(Clone, Copy)]
enum Finish {
    Stop,
    Length,
}

impl AnswerStream {
    pub(super) fn new(
        response: Response,
        request: &CompletionRequest,
        deadline: Instant,
        token_timeout: Duration,
    ) -> Self {
        let pending = Arc::new(AtomicUsize::new(0));
        let counted = pending.clone();
        let chunks = response.bytes_stream().map(move |chunk| {
            let chunk = chunk.map_err(StreamError::Transport)?;
            if counted.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len() > EVENT_BYTES_MAX {
                return Err(StreamError::EventTooLong);
            }
            Ok(chunk)
        });
        let tokens = usize::try_from(request.max_tokens).unwrap_or(usize::MAX);
        Self {
            events: EventStream::new(chunks).boxed(),
            pending,
            deadline,
            token_timeout,
            bytes_left: tokens.saturating_mul(TOKEN_BYTES_MAX).min(ANSWER_BYTES_MAX),
            chars_in: request.messages.iter().map(|message| count_chars(&message.content)).sum(),
            chars_out: 0,
            most: UsageLimit::of(request),
            model: None,
            finish: None,
            usage: None,
            timings: None,
        }
    }

    /// Records the content of an event and returns its text.
    fn take(&mut self, part: StreamEvent<'_>) -> Result<Option<String>, InferenceError> {
        if let Some(error) = part.error {
            return Err(ErrorObject::into_error(error));
        }
        if self.model.is_none() {
            self.model = part.model.map(|Text(name)| shorten(&name));
        }
        self.usage = part.usage.or(self.usage);
        self.timings = part.timings.or(self.timings);
        let Some(choice) = part.choices.into_iter().next() else { return Ok(None) };
        if let Some(Text(reason)) = choice.finish_reason {
            self.finish = Some(match &*reason {
                "stop" => Finish::Stop,
                "length" => Finish::Length,
                other => {
                    return Err(failed(
                        BackendFault::Truncated,
                        &format!("the answer ended with the finish reason `{other}`"),
                    ));
                }
            });
        }
        if choice.delta.reasoning_content.is_some_and(|thought| !thought.is_empty()) {
            self.deadline = Instant::now() + self.token_timeout;
        }
        let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let left = self.bytes_left.checked_sub(text.len());
        self.bytes_left = left
            .ok_or_else(|| failed(BackendFault::TooLong, "the answer is longer than requested"))?;
        self.chars_out += count_chars(&text);
        self.deadline = Instant::now() + self.token_timeout;
        Ok(Some(text))
    }

    fn end(&mut self) -> Chunk {
        Chunk::End(CompletionEnd {
            length: matches!(self.finish, Some(Finish::Length)),
            model: self.model.take().unwrap_or_default(),
            ignored_params: Vec::new(),
            usage: self.count(),
        })
    }

    /// The backend's count, else llama.cpp's timings, else a marked estimate; an impossible count
    /// is ignored.
    fn count(&self) -> pylon_core::work::Usage {
        let possible = |input: u64, output: u64| {
            input <= self.most.input_tokens && output <= self.most.output_tokens
        };
        let zero = pylon_core::work::Usage::default();
        if let Some(usage) =
            self.usage.filter(|usage| possible(usage.prompt_tokens, usage.completion_tokens))
        {
            let cached =
                usage.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0);
            let (input_tokens, output_tokens) = (usage.prompt_tokens, usage.completion_tokens);
            return pylon_core::work::Usage {
                input_tokens,
                output_tokens,
                cached_tokens: cached.min(input_tokens),
                ..zero
            };
        }
        let whole_prompt = |timings: &Timings| timings.prompt_n.saturating_add(timings.cache_n);
        if let Some(timings) =
            self.timings.filter(|timings| possible(whole_prompt(timings), timings.predicted_n))
        {
            let input_tokens = whole_prompt(&timings);
            let (output_tokens, cached_tokens) = (timings.predicted_n, timings.cache_n);
            return pylon_core::work::Usage { input_tokens, output_tokens, cached_tokens, ..zero };
        }
        let (input_tokens, output_tokens) =
            (self.chars_in.div_ceil(CHARS_PER_TOKEN), self.chars_out.div_ceil(CHARS_PER_TOKEN));
        pylon_core::work::Usage { input_tokens, output_tokens, estimated: true, ..zero }
    }
}

#[async_trait]
impl CompletionStream for AnswerStream {
    async fn next(&mut self) -> Result<Chunk, InferenceError> {
        loop {
            let event = match timeout_at(self.deadline, self.events.next()).await {
                Err(_) => return Err(InferenceError::Timeout),
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => return Err(broken(error)),
                // Some servers close without `[DONE]`; without a finish reason the answer is
                // incomplete.
                Ok(None) if self.finish.is_some() => return Ok(self.end()),
                Ok(None) => return Err(failed(BackendFault::Truncated, "the answer broke off")),
            };
            self.pending.store(0, Ordering::Relaxed);
            if event.data == "[DONE]" {
                return if self.finish.is_some() {
                    Ok(self.end())
                } else {
                    Err(failed(BackendFault::Truncated, "the answer broke off"))
                };
            }
            let part = serde_json::from_str(&event.data)
                .map_err(|_| failed(BackendFault::Unreadable, "an event that cannot be read"))?;
            if let Some(text) = self.take(part)? {
                return Ok(Chunk::Text(text));
            }
        }
    }
}

fn broken(error: EventStreamError<StreamError>) -> InferenceError {
    match error {
        EventStreamError::Transport(StreamError::Transport(error)) => {
            InferenceError::Unavailable(error_message(error))
        }
        EventStreamError::Transport(StreamError::EventTooLong) => {
            failed(BackendFault::Unreadable, "an event that is too long")
        }
        EventStreamError::Utf8(_) => {
            failed(BackendFault::Unreadable, "an answer that is not UTF-8")
        }
        EventStreamError::Parser(_) => {
            failed(BackendFault::Unreadable, "an answer that is not a stream of events")
        }
    }
}

fn failed(how: BackendFault, what: &str) -> InferenceError {
    InferenceError::Failed(how, shorten(what))
}

fn count_chars(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

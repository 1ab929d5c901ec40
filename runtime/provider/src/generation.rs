//! A generation on the routes of a job: the host tries them in order until one has begun to answer.

use super::attempt::{Report, lock};
use super::backends::{Backend, Backends};
use async_trait::async_trait;
use pylon_core::completion::{
    ChatMessage, Chunk, CompletionEnd, CompletionRequest, CompletionSummary,
    GuestCompletionRequest, GuestInferenceError,
};
use pylon_core::decision::REDACTED;
use pylon_core::ports::guests::GuestStream;
use pylon_core::ports::inference::{BackendFault, CompletionStream, InferenceError};
use pylon_core::work::{ExecutionTarget, Route, Usage};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// A backend must begin within this: its queue, loading the model and reading the prompt.
const FIRST_OUTPUT_WITHIN: Duration = Duration::from_secs(120);
/// Generations of one attempt, one after the other.
const GENERATIONS_MAX: u32 = 64;

/// Starts on the first route that answers. What is left of the offer's tokens bounds what is asked for.
pub(super) async fn begin(
    backends: &Backends,
    routes: &[Route],
    request: GuestCompletionRequest,
    max_output_tokens: u64,
    report: &Arc<Mutex<Report>>,
) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
    let open = Open::claim(report, max_output_tokens)?;
    if request.messages.is_empty() {
        return Err(GuestInferenceError::Other("nothing to answer".into()));
    }
    let mut generation = CompletionRequest {
        model: String::new(),
        max_tokens: request.max_tokens.unwrap_or(open.tokens_left).clamp(1, open.tokens_left),
        messages: request.messages,
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        frequency_penalty: request.frequency_penalty,
        stop: request.stop,
        seed: request.seed,
        schema: request.schema,
        first_output_timeout: FIRST_OUTPUT_WITHIN,
    };
    let mut last = GuestInferenceError::NoBackend;
    for route in routes {
        let ExecutionTarget::Model { backend, model } = &route.target else { continue };
        let Some(row) = backends.find(backend) else { continue };
        generation.model.clone_from(model);
        let begun = Instant::now();
        let answer = answer_begins(row, &generation).await;
        lock(report).backend += begun.elapsed();
        match answer {
            Ok(answer) => {
                lock(report).route = Some(route.clone());
                let bytes_in = generation
                    .messages
                    .iter()
                    .map(|ChatMessage { content, .. }| content.len() as u64)
                    .sum();
                return Ok(Box::new(Running { answer, open, bytes_in, bytes_out: 0, end: None }));
            }
            Err(
                error @ (InferenceError::Unavailable(_)
                | InferenceError::Failed(..)
                | InferenceError::Timeout),
            ) => {
                tracing::warn!(
                    backend,
                    model,
                    error = for_the_log(&error, report),
                    "route failed, trying the next"
                );
                row.failed();
                backends.doubt();
                last = words(error);
            }
            Err(error) => return Err(words(error)),
        }
    }
    Err(last)
}

/// A backend may quote what it was asked.
fn for_the_log(error: &InferenceError, report: &Arc<Mutex<Report>>) -> String {
    if lock(report).confidential { REDACTED.into() } else { error.to_string() }
}

fn failed(how: BackendFault) -> GuestInferenceError {
    GuestInferenceError::Other(format!("the backend failed: {how}"))
}

/// What a guest is told, and by it the customer; what the backend said is in the log.
fn words(error: InferenceError) -> GuestInferenceError {
    match error {
        InferenceError::Unavailable(_) => GuestInferenceError::NoBackend,
        InferenceError::Failed(how, _) => failed(how),
        InferenceError::TooLong(tokens) => GuestInferenceError::TooLong(tokens),
        InferenceError::Unsupported(what) => GuestInferenceError::Unsupported(what),
        InferenceError::Timeout => GuestInferenceError::Timeout,
    }
}

/// The one generation that an attempt may have open: two could wait for each other's slot for ever.
struct Open {
    report: Arc<Mutex<Report>>,
    tokens_left: u32,
}

impl Open {
    fn claim(
        report: &Arc<Mutex<Report>>,
        max_output_tokens: u64,
    ) -> Result<Self, GuestInferenceError> {
        let refused = |why: &str| Err(GuestInferenceError::Other(why.into()));
        let mut seen = lock(report);
        if seen.generating {
            return refused("one generation at a time: end the other first");
        }
        if seen.generations >= GENERATIONS_MAX {
            return refused("too many generations");
        }
        let tokens_left = max_output_tokens.saturating_sub(seen.usage.output_tokens);
        if tokens_left == 0 {
            return refused("the tokens of the offer are used up");
        }
        seen.generating = true;
        seen.generations += 1;
        Ok(Self {
            report: Arc::clone(report),
            tokens_left: u32::try_from(tokens_left).unwrap_or(u32::MAX),
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.report).generating = false;
    }
}

/// Waits for the first words: until then another route may still answer.
async fn answer_begins(
    row: &Arc<Backend>,
    request: &CompletionRequest,
) -> Result<Answering, InferenceError> {
    let slot =
        timeout(FIRST_OUTPUT_WITHIN, row.slot()).await.map_err(|_| InferenceError::Timeout)?;
    let slot = slot.ok_or_else(|| InferenceError::Unavailable("closed".into()))?;
    let begun = Instant::now();
    let mut stream = row.adapter.generate(request).await?;
    let first = Some(stream.next().await?);
    Ok(Answering {
        row: Arc::clone(row),
        stream,
        first,
        first_output: begun.elapsed(),
        since: Instant::now(),
        _slot: slot,
    })
}

/// A backend at work, with a slot of it.
struct Answering {
    row: Arc<Backend>,
    stream: Box<dyn CompletionStream>,
    first: Option<Chunk>,
    first_output: Duration,
    since: Instant,
    _slot: OwnedSemaphorePermit,
}

/// A generation that has begun to answer.
struct Running {
    answer: Answering,
    open: Open,
    bytes_in: u64,
    bytes_out: u64,
    end: Option<CompletionEnd>,
}

#[async_trait]
impl GuestStream for Running {
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError> {
        if self.end.is_some() {
            return Ok(None);
        }
        let chunk = match self.answer.first.take() {
            Some(chunk) => chunk,
            None => {
                let begun = Instant::now();
                let chunk = self.answer.stream.next().await;
                lock(&self.open.report).backend += begun.elapsed();
                chunk.map_err(|error| {
                    let error_words = for_the_log(&error, &self.open.report);
                    tracing::warn!(
                        backend = self.answer.row.adapter.id(),
                        error = error_words,
                        "the answer broke off"
                    );
                    self.answer.row.failed();
                    match error {
                        // It was there.
                        InferenceError::Unavailable(_) => failed(BackendFault::Truncated),
                        error => words(error),
                    }
                })?
            }
        };
        match chunk {
            Chunk::Text(text) => {
                self.bytes_out = self.bytes_out.saturating_add(text.len() as u64);
                Ok(Some(text))
            }
            Chunk::End(end) => {
                self.answer.row.succeeded(
                    self.answer.first_output,
                    end.usage.output_tokens,
                    self.answer.since.elapsed(),
                );
                let mut report = lock(&self.open.report);
                report.usage = report.usage.plus(end.usage);
                report.length |= end.length;
                drop(report);
                self.end = Some(end);
                Ok(None)
            }
        }
    }

    fn summary(&self) -> Option<CompletionSummary> {
        self.end.as_ref().map(|end| CompletionSummary {
            length: end.length,
            model: end.model.clone(),
            ignored_params: end.ignored_params.clone(),
            usage: end.usage,
        })
    }
}

impl Drop for Running {
    /// What a handler has read and dropped before its end was work too.
    fn drop(&mut self) {
        if self.end.is_none() {
            let (input_tokens, output_tokens) =
                (Usage::estimate(self.bytes_in), Usage::estimate(self.bytes_out).max(1));
            let read = Usage { input_tokens, output_tokens, estimated: true, ..Usage::default() };
            let mut report = lock(&self.open.report);
            report.usage = report.usage.plus(read);
        }
    }
}

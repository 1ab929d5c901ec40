//! A completion on the routes of a job: the host tries them in order until one begins to answer.

use super::completion_guard::CompletionGuard;
use super::stats::AttemptStats;
use crate::backend::BackendEntry;
use crate::backends::BackendRegistry;
use async_trait::async_trait;
use pylon_core::completion::{
    Chunk, CompletionEnd, CompletionRequest, CompletionSummary, GuestCompletionRequest,
    GuestInferenceError,
};
use pylon_core::decision::REDACTED;
use pylon_core::ports::guests::GuestStream;
use pylon_core::ports::inference::{BackendFault, CompletionStream, InferenceError};
use pylon_core::sync::lock;
use pylon_core::work::{ExecutionTarget, Route, Usage};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// Until the first text of a backend: its queue, loading the model and reading the prompt.
const FIRST_OUTPUT_TIMEOUT: Duration = Duration::from_secs(120);

/// Begins on the first route that answers. The rest of the offer's tokens limits the request.
pub(super) async fn begin(
    backends: &BackendRegistry,
    routes: &[Route],
    request: GuestCompletionRequest,
    max_output_tokens: u64,
    stats: &Arc<Mutex<AttemptStats>>,
) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
    let guard = CompletionGuard::acquire(stats, max_output_tokens)?;
    if request.messages.is_empty() {
        return Err(GuestInferenceError::Other("nothing to answer".into()));
    }
    let bytes_in = request.messages.iter().map(|message| message.content.len() as u64).sum();
    let mut request = to_request(request, guard.tokens_left);
    let mut last = GuestInferenceError::NoBackend;
    for route in routes {
        let ExecutionTarget::Model { backend: id, model } = &route.target else { continue };
        let Some(backend) = backends.find(id) else { continue };
        request.model.clone_from(model);
        let begun = Instant::now();
        let stream = BackendStream::begin(backend, &request).await;
        lock(stats).backend_time += begun.elapsed();
        match stream {
            Ok(stream) => {
                lock(stats).route = Some(route.clone());
                let (bytes_out, end) = (0, None);
                return Ok(Box::new(RoutedStream { stream, guard, bytes_in, bytes_out, end }));
            }
            Err(
                error @ (InferenceError::Unavailable(_)
                | InferenceError::Failed(..)
                | InferenceError::Timeout),
            ) => {
                let text = for_log(&error, stats);
                tracing::warn!(backend = id, model, error = text, "route failed, trying the next");
                backend.failed();
                backends.request_probe();
                last = for_guest(error);
            }
            Err(error) => return Err(for_guest(error)),
        }
    }
    Err(last)
}

fn to_request(request: GuestCompletionRequest, tokens_left: u32) -> CompletionRequest {
    CompletionRequest {
        model: String::new(),
        max_tokens: request.max_tokens.unwrap_or(tokens_left).clamp(1, tokens_left),
        messages: request.messages,
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        frequency_penalty: request.frequency_penalty,
        stop: request.stop,
        seed: request.seed,
        schema: request.schema,
        first_output_timeout: FIRST_OUTPUT_TIMEOUT,
    }
}

/// A backend may quote the request.
fn for_log(error: &InferenceError, stats: &Mutex<AttemptStats>) -> String {
    if lock(stats).confidential { REDACTED.into() } else { error.to_string() }
}

/// Guests, and through them customers, get nothing of the backend's own message.
fn for_guest(error: InferenceError) -> GuestInferenceError {
    match error {
        InferenceError::Unavailable(_) => GuestInferenceError::NoBackend,
        InferenceError::Failed(fault, _) => failed(fault),
        InferenceError::TooLong(tokens) => GuestInferenceError::TooLong(tokens),
        InferenceError::Unsupported(what) => GuestInferenceError::Unsupported(what),
        InferenceError::Timeout => GuestInferenceError::Timeout,
    }
}

fn failed(fault: BackendFault) -> GuestInferenceError {
    GuestInferenceError::Other(format!("the backend failed: {fault}"))
}

/// A stream of a backend, with a permit of it.
struct BackendStream {
    backend: Arc<BackendEntry>,
    stream: Box<dyn CompletionStream>,
    first: Option<Chunk>,
    first_output: Duration,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

impl BackendStream {
    /// Waits for the first text: until then another route may still answer.
    async fn begin(
        backend: &Arc<BackendEntry>,
        request: &CompletionRequest,
    ) -> Result<Self, InferenceError> {
        let permit = timeout(FIRST_OUTPUT_TIMEOUT, backend.acquire())
            .await
            .map_err(|_| InferenceError::Timeout)?
            .ok_or_else(|| InferenceError::Unavailable("closed".into()))?;
        let begun = Instant::now();
        let mut stream = backend.adapter.generate(request).await?;
        let first = Some(stream.next().await?);
        Ok(Self {
            backend: Arc::clone(backend),
            stream,
            first,
            first_output: begun.elapsed(),
            since: Instant::now(),
            _permit: permit,
        })
    }
}

/// A completion that has begun to answer.
struct RoutedStream {
    stream: BackendStream,
    guard: CompletionGuard,
    bytes_in: u64,
    bytes_out: u64,
    end: Option<CompletionEnd>,
}

impl RoutedStream {
    async fn next_chunk(&mut self) -> Result<Chunk, GuestInferenceError> {
        if let Some(first) = self.stream.first.take() {
            return Ok(first);
        }
        let begun = Instant::now();
        let chunk = self.stream.stream.next().await;
        lock(&self.guard.stats).backend_time += begun.elapsed();
        chunk.map_err(|error| {
            let backend = &self.stream.backend;
            let (id, text) = (backend.adapter.id(), for_log(&error, &self.guard.stats));
            tracing::warn!(backend = id, error = text, "backend stream interrupted");
            backend.failed();
            match error {
                // It had begun to answer.
                InferenceError::Unavailable(_) => failed(BackendFault::Truncated),
                error => for_guest(error),
            }
        })
    }
}

#[async_trait]
impl GuestStream for RoutedStream {
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError> {
        if self.end.is_some() {
            return Ok(None);
        }
        match self.next_chunk().await? {
            Chunk::Text(text) => {
                self.bytes_out = self.bytes_out.saturating_add(text.len() as u64);
                Ok(Some(text))
            }
            Chunk::End(end) => {
                let BackendStream { backend, first_output, since, .. } = &self.stream;
                backend.succeeded(*first_output, end.usage.output_tokens, since.elapsed());
                let mut stats = lock(&self.guard.stats);
                stats.usage = stats.usage.plus(end.usage);
                stats.length |= end.length;
                drop(stats);
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

impl Drop for RoutedStream {
    /// Text that a handler read before it dropped the stream counts too, estimated.
    fn drop(&mut self) {
        if self.end.is_none() {
            let (input_tokens, output_tokens) =
                (Usage::estimate(self.bytes_in), Usage::estimate(self.bytes_out).max(1));
            let read = Usage { input_tokens, output_tokens, estimated: true, ..Usage::default() };
            let mut stats = lock(&self.guard.stats);
            stats.usage = stats.usage.plus(read);
        }
    }
}

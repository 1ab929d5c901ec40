//! A completion on the routes of a job: the host tries them in order until one begins to answer.

use super::completion_guard::CompletionGuard;
use super::stats::AttemptStats;
use crate::backend::BackendEntry;
use crate::backends::BackendRegistry;
use async_trait::async_trait;
use pylon_core::Job;
use pylon_core::backoff::Backoff;
use pylon_core::completion::{
    Chunk, CompletionEnd, CompletionRequest, CompletionSummary, GuestCompletionRequest,
    GuestInferenceError,
};
use pylon_core::ports::executor::AttemptSpec;
use pylon_core::ports::guests::GuestStream;
use pylon_core::ports::inference::{BackendFault, CompletionStream, InferenceError};
use pylon_core::sync::lock;
use pylon_core::work::{ExecutionTarget, Route, Usage};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout};

/// Until the first text of a backend: its queue, loading the model and reading the prompt.
const FIRST_OUTPUT_TIMEOUT: Duration = Duration::from_secs(120);
/// For busy backends, such as one that still loads its model.
const BUSY_TIMEOUT: Duration = Duration::from_secs(120);
const BUSY_PAUSE_MIN: Duration = Duration::from_millis(500);
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(8);
/// A longer pause that a backend asks for is shortened.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Begins on the first route that answers. If only busy backends are left, it waits for them. The
/// rest of the offer's tokens limits the request.
pub(super) async fn begin(
    backends: &BackendRegistry,
    spec: &AttemptSpec,
    request: GuestCompletionRequest,
    stats: &Arc<Mutex<AttemptStats>>,
) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
    let guard = CompletionGuard::acquire(stats, spec.max_output_tokens)?;
    if request.messages.is_empty() {
        return Err(GuestInferenceError::Other("nothing to answer".into()));
    }
    let bytes_in = request.messages.iter().map(|message| message.content.len() as u64).sum();
    let mut request = to_request(request, guard.tokens_left);
    let log = ErrorLog { job: Arc::clone(&spec.job), stats: Arc::clone(stats) };
    let deadline = Instant::now() + BUSY_TIMEOUT;
    let mut backoff = Backoff::new(BUSY_PAUSE_MIN, BUSY_PAUSE_MAX);
    let mut routes: Vec<_> = spec.routes.iter().collect();
    loop {
        let pause = match first_answer(backends, &mut routes, &mut request, &log).await {
            Ok((stream, route)) => {
                lock(stats).route = Some(route.clone());
                let (bytes_out, end) = (0, None);
                return Ok(Box::new(RoutedStream { stream, guard, log, bytes_in, bytes_out, end }));
            }
            Err(NoAnswer::Failed(error)) => return Err(error),
            Err(NoAnswer::Busy(retry_after)) => {
                retry_after.min(RETRY_AFTER_MAX).max(backoff.next_pause())
            }
        };
        if Instant::now() + pause > deadline {
            return Err(GuestInferenceError::NoBackend);
        }
        sleep(pause).await;
    }
}

/// Why no route answered.
enum NoAnswer {
    /// None will.
    Failed(GuestInferenceError),
    /// One may after this pause.
    Busy(Duration),
}

/// Tries the routes in order. Those of busy backends are left.
async fn first_answer<'a>(
    backends: &BackendRegistry,
    routes: &mut Vec<&'a Route>,
    request: &mut CompletionRequest,
    log: &ErrorLog,
) -> Result<(BackendStream, &'a Route), NoAnswer> {
    let mut last = GuestInferenceError::NoBackend;
    let (mut busy, mut pause) = (Vec::new(), Duration::MAX);
    for route in std::mem::take(routes) {
        let ExecutionTarget::Model { backend: id, model } = &route.target else { continue };
        let Some(backend) = backends.find(id) else { continue };
        request.model.clone_from(model);
        let begun = Instant::now();
        let stream = BackendStream::begin(backend, request).await;
        lock(&log.stats).backend_time += begun.elapsed();
        let error = match stream {
            Ok(stream) => return Ok((stream, route)),
            Err(error) => error,
        };
        log.failed(id, &error);
        match &error {
            InferenceError::Busy { retry_after, .. } => {
                busy.push(route);
                pause = pause.min(retry_after.unwrap_or_default());
                backends.request_probe();
            }
            InferenceError::Unauthorized(_) => backends.take_out(backend, &error),
            InferenceError::Unavailable(_)
            | InferenceError::Failed(..)
            | InferenceError::Timeout => {
                backend.failed();
                backends.request_probe();
            }
            InferenceError::TooLong(_)
            | InferenceError::OnlyReasoning(_)
            | InferenceError::Unsupported(_) => return Err(NoAnswer::Failed(for_guest(error))),
        }
        last = for_guest(error);
    }
    *routes = busy;
    Err(if routes.is_empty() { NoAnswer::Failed(last) } else { NoAnswer::Busy(pause) })
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

/// Where the operator finds the errors of backends, in their own words.
struct ErrorLog {
    job: Arc<Job>,
    stats: Arc<Mutex<AttemptStats>>,
}

impl ErrorLog {
    fn failed(&self, backend: &str, error: &InferenceError) {
        // The words may quote the request.
        let text = if self.job.confidential { error.redacted() } else { error.to_string() };
        if lock(&self.stats).record_error(backend, &text) {
            tracing::warn!(job = %self.job.id.short(), backend, error = text, "backend failed");
        }
    }
}

/// Guests, and through them customers, get nothing of the backend's own message.
fn for_guest(error: InferenceError) -> GuestInferenceError {
    match error {
        InferenceError::Unavailable(_)
        | InferenceError::Busy { .. }
        | InferenceError::Unauthorized(_) => GuestInferenceError::NoBackend,
        InferenceError::Failed(fault, _) => failed(fault),
        InferenceError::TooLong(tokens) => GuestInferenceError::TooLong(tokens),
        InferenceError::OnlyReasoning(_) => GuestInferenceError::Other(error.to_string()),
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
    log: ErrorLog,
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
            self.log.failed(backend.adapter.id(), &error);
            backend.failed();
            match error {
                // It had begun to answer.
                InferenceError::Unavailable(_) | InferenceError::Busy { .. } => {
                    failed(BackendFault::Truncated)
                }
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

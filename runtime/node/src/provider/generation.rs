//! A generation on the routes of a job: the host tries them in order until one has begun to answer.

use super::attempt::{Report, lock};
use super::backends::{Backend, Backends};
use async_trait::async_trait;
use pylon_core::ports::guests::{GenerationSummary, GuestGeneration, GuestInferenceError, GuestStream};
use pylon_core::ports::inference::{Chunk, Completion, Generation, InferenceError, Stream};
use pylon_core::work::{Route, WorkPlace};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// A backend must begin within this: its queue, loading the model and reading the prompt.
const FIRST_OUTPUT_WITHIN: Duration = Duration::from_secs(120);

/// Starts on the first route that answers. `tokens_left` of the offer bound what is asked for.
pub(super) async fn begin(
    backends: &Backends,
    routes: &[Route],
    request: GuestGeneration,
    tokens_left: u64,
    report: &Arc<Mutex<Report>>,
) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
    let left = u32::try_from(tokens_left).unwrap_or(u32::MAX);
    if left == 0 {
        return Err(GuestInferenceError::Other("the tokens of the offer are used up".into()));
    }
    if request.messages.is_empty() {
        return Err(GuestInferenceError::Other("nothing to answer".into()));
    }
    let mut generation = Generation {
        model: String::new(),
        max_tokens: request.max_tokens.unwrap_or(left).clamp(1, left),
        messages: request.messages,
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        frequency_penalty: request.frequency_penalty,
        stop: request.stop,
        seed: request.seed,
        schema: request.schema,
        first_output_within: FIRST_OUTPUT_WITHIN,
    };
    let mut last = GuestInferenceError::NoBackend;
    for route in routes {
        let WorkPlace::Model { backend, model } = &route.place else { continue };
        let Some(row) = backends.find(backend) else { continue };
        generation.model.clone_from(model);
        let begun = Instant::now();
        let attempt = answer_begins(row, &generation, report).await;
        lock(report).backend += begun.elapsed();
        match attempt {
            Ok(running) => {
                lock(report).route = Some(route.clone());
                return Ok(Box::new(running));
            }
            Err(error @ (InferenceError::Unavailable(_) | InferenceError::Timeout)) => {
                tracing::warn!(backend, model, %error, "route failed, trying the next");
                row.failed();
                backends.doubt();
                last = words(error);
            }
            Err(error) => return Err(words(error)),
        }
    }
    Err(last)
}

/// What a guest is told; what the backend said is in the log.
fn words(error: InferenceError) -> GuestInferenceError {
    match error {
        InferenceError::Unavailable(_) => GuestInferenceError::NoBackend,
        InferenceError::TooLong(tokens) => GuestInferenceError::TooLong(tokens),
        InferenceError::Unsupported(what) => GuestInferenceError::Unsupported(what),
        InferenceError::Timeout => GuestInferenceError::Timeout,
    }
}

/// Waits for the first words: until then another route may still answer.
async fn answer_begins(row: &Arc<Backend>, request: &Generation, report: &Arc<Mutex<Report>>) -> Result<Running, InferenceError> {
    let slot = row.slot().await.ok_or_else(|| InferenceError::Unavailable("closed".into()))?;
    let begun = Instant::now();
    let mut stream = row.adapter.generate(request).await?;
    let first = stream.next().await?;
    Ok(Running {
        row: Arc::clone(row),
        report: Arc::clone(report),
        stream,
        first: Some(first),
        first_output: begun.elapsed(),
        generating: Instant::now(),
        end: None,
        _slot: slot,
    })
}

/// A generation that has begun to answer.
struct Running {
    row: Arc<Backend>,
    report: Arc<Mutex<Report>>,
    stream: Box<dyn Stream>,
    first: Option<Chunk>,
    first_output: Duration,
    generating: Instant,
    end: Option<Completion>,
    _slot: OwnedSemaphorePermit,
}

#[async_trait]
impl GuestStream for Running {
    async fn next(&mut self) -> Result<Option<String>, GuestInferenceError> {
        if self.end.is_some() {
            return Ok(None);
        }
        let chunk = match self.first.take() {
            Some(chunk) => chunk,
            None => {
                let begun = Instant::now();
                let chunk = self.stream.next().await;
                lock(&self.report).backend += begun.elapsed();
                chunk.map_err(|error| {
                    tracing::warn!(backend = self.row.adapter.id(), %error, "the answer broke off");
                    self.row.failed();
                    words(error)
                })?
            }
        };
        match chunk {
            Chunk::Text(text) => Ok(Some(text)),
            Chunk::End(end) => {
                self.row.succeeded(self.first_output, end.usage.output_tokens, self.generating.elapsed());
                let mut report = lock(&self.report);
                report.usage = report.usage.plus(end.usage);
                report.length |= end.length;
                drop(report);
                self.end = Some(end);
                Ok(None)
            }
        }
    }

    fn summary(&self) -> Option<GenerationSummary> {
        self.end.as_ref().map(|end| GenerationSummary {
            length: end.length,
            model: end.model.clone(),
            ignored_params: end.ignored_params.clone(),
            usage: end.usage,
        })
    }
}

//! One backend: its permits, and how it performed recently.

use pylon_core::completion::ModelInfo;
use pylon_core::decision::Candidate;
use pylon_core::ports::inference::{Inference, InferenceError};
use pylon_core::sync::{read, write};
use pylon_core::work::{ExecutionTarget, Route};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A new measurement moves an average by one part in this many.
const AVERAGE_INERTIA: u32 = 8;

pub(crate) struct BackendEntry {
    pub(crate) adapter: Arc<dyn Inference>,
    /// Concurrency is limited here: a server's own queue is unordered and cannot be observed.
    permits: Arc<Semaphore>,
    max_concurrency: u32,
    queued: AtomicU32,
    /// The last error of a probe, of which the operator was warned; `None` after a good one.
    error: RwLock<Option<InferenceError>>,
    /// `None` while it is unavailable.
    models: RwLock<Option<Vec<ModelInfo>>>,
    first_output_ms: Average,
    tokens_per_second: Average,
    failure_permille: Average,
}

impl BackendEntry {
    pub(crate) fn new(adapter: Arc<dyn Inference>) -> Self {
        let max_concurrency = adapter.max_concurrency().max(1);
        Self {
            adapter,
            permits: Arc::new(Semaphore::new(max_concurrency as usize)),
            max_concurrency,
            queued: AtomicU32::new(0),
            error: RwLock::new(None),
            models: RwLock::new(None),
            first_output_ms: Average::default(),
            tokens_per_second: Average::default(),
            failure_permille: Average::default(),
        }
    }

    /// Waits for a permit to send a request.
    pub(crate) async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        let _queued = Queued::new(&self.queued);
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    pub(crate) fn succeeded(&self, first_output: Duration, tokens: u64, elapsed: Duration) {
        self.failure_permille.blend(0);
        let first_output_ms = u32::try_from(first_output.as_millis()).unwrap_or(u32::MAX);
        self.first_output_ms.add(first_output_ms.max(1));
        let per_second = u128::from(tokens).saturating_mul(1000) / elapsed.as_millis().max(1);
        self.tokens_per_second.add(u32::try_from(per_second).unwrap_or(u32::MAX));
    }

    pub(crate) fn failed(&self) {
        self.failure_permille.blend(1000);
    }

    /// It serves these models. Returns what it served before.
    pub(crate) fn set_available(&self, models: Vec<ModelInfo>) -> Option<Vec<ModelInfo>> {
        *write(&self.error) = None;
        write(&self.models).replace(models)
    }

    /// It serves nothing until the next good probe. `true`: it served something, or this is the
    /// first error.
    pub(crate) fn set_unavailable(&self, error: &InferenceError) -> bool {
        let is_new = self.warn_once(error);
        write(&self.models).take().is_some() || is_new
    }

    /// Warns the operator of the first of several errors. `true`: this is the first.
    pub(crate) fn warn_once(&self, error: &InferenceError) -> bool {
        let (id, before) = (self.adapter.id(), write(&self.error).replace(error.clone()));
        let rejects_key = |error: &InferenceError| matches!(error, InferenceError::Unauthorized(_));
        // That a server wants a key shows only once it runs.
        let is_new =
            before.as_ref().is_none_or(|before| rejects_key(error) && !rejects_key(before));
        if is_new {
            tracing::warn!(backend = id, %error, "not available: {}", error.hint(id));
        }
        before.is_none()
    }

    /// The error of the last probe, or of a request since then that its key was rejected for.
    pub(crate) fn error(&self) -> Option<InferenceError> {
        read(&self.error).clone()
    }

    /// Each of its models with the measurements; `is_preferred` says which the operator prefers.
    pub(crate) fn candidates(&self, is_preferred: impl Fn(&str) -> bool) -> Vec<Candidate> {
        let candidate = |model: &ModelInfo| self.candidate(model, is_preferred(&model.id));
        read(&self.models).iter().flatten().map(candidate).collect()
    }

    fn candidate(&self, model: &ModelInfo, preferred: bool) -> Candidate {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
        let (backend, model_id) = (self.adapter.id().to_owned(), model.id.clone());
        Candidate {
            route: Route {
                target: ExecutionTarget::Model { backend, model: model_id },
                price_permille: Route::NEUTRAL_PERMILLE,
            },
            context_tokens: model.context_tokens,
            in_flight: self.max_concurrency.saturating_sub(free),
            limit: self.max_concurrency,
            queued: self.queued.load(Ordering::Relaxed),
            first_output_ms: self.first_output_ms.get(),
            tokens_per_second: self.tokens_per_second.get(),
            failure_permille: self.failure_permille.get().unwrap_or(0),
            preferred,
        }
    }
}

/// A moving average; 0 means that nothing was measured.
#[derive(Default)]
struct Average(AtomicU32);

impl Average {
    /// Moves the average; the first measurement is the average.
    fn add(&self, figure: u32) {
        if self.0.compare_exchange(0, figure, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            self.blend(figure);
        }
    }

    /// Moves the average, also from 0.
    fn blend(&self, figure: u32) {
        let old = self.0.load(Ordering::Relaxed);
        let new = old - old / AVERAGE_INERTIA + figure / AVERAGE_INERTIA;
        self.0.store(new, Ordering::Relaxed);
    }

    fn get(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|figure| *figure != 0)
    }
}

/// Counts waiting requests, also those that are dropped.
struct Queued<'a>(&'a AtomicU32);

impl<'a> Queued<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

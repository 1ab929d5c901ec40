//! The backends as the provider sees them: what they serve, how busy they are and how they have done lately.

use super::Bus;
use pylon_core::completion::ModelInfo;
use pylon_core::decision::Candidate;
use pylon_core::event::DomainEvent;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::inference::{Inference, InferenceError};
use pylon_core::probe_backoff::{ProbeBackoff, ProbeOutcome};
use pylon_core::work::{ExecutionTarget, Route};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// A new figure moves an average by one part in this many.
const INERTIA: u32 = 8;
/// How long a backend may take to say what it serves.
const LOOK_WITHIN: Duration = Duration::from_secs(3);
/// However many requests fail and operators ask.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// Who asks waits no longer than that and a look take.
const FRESH_WITHIN: Duration = Duration::from_secs(4);

/// All backends of this node.
pub struct Backends {
    rows: Vec<Arc<Backend>>,
    preference: RwLock<Preference>,
    /// One of them has failed, or somebody asks: look at once.
    doubted: Arc<Notify>,
    /// Another look is over.
    looked: watch::Sender<()>,
    bus: Bus,
    clock: Arc<dyn Clock>,
}

/// What the operator prefers when a job leaves it open. Empty: the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preference {
    /// A backend.
    pub backend: String,
    /// A model.
    pub model: String,
}

pub(super) struct Backend {
    pub(super) adapter: Arc<dyn Inference>,
    /// The limit is kept here: a server's own queue is silent and in no order.
    slots: Arc<Semaphore>,
    slots_total: u32,
    queued: AtomicU32,
    /// The operator knows that it is not there.
    complained: AtomicBool,
    /// `None` while it is not there.
    models: RwLock<Option<Vec<ModelInfo>>>,
    first_output_ms: Average,
    tokens_per_second: Average,
    failure_permille: Average,
}

/// A moving average; 0 stands for not measured.
#[derive(Default)]
struct Average(AtomicU32);

impl Average {
    /// Moves the average towards the figure; the first figure is the average.
    fn add(&self, figure: u32) {
        if self.0.compare_exchange(0, figure, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            self.blend(figure);
        }
    }

    /// Moves the average towards the figure, from nothing too.
    fn blend(&self, figure: u32) {
        let old = self.0.load(Ordering::Relaxed);
        self.0.store(old - old / INERTIA + figure / INERTIA, Ordering::Relaxed);
    }

    fn get(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|figure| *figure != 0)
    }
}

impl Backends {
    /// Looks at them all, and goes on looking for as long as somebody holds them.
    pub async fn watch(
        adapters: Vec<Arc<dyn Inference>>,
        preference: Preference,
        bus: Bus,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let rows: Vec<_> =
            adapters.into_iter().map(|adapter| Arc::new(Backend::new(adapter))).collect();
        let backend_ids = rows.iter().map(|row| row.adapter.id().to_owned()).collect();
        bus.announce(DomainEvent::BackendsRegistered { backend_ids, timestamp: clock.now() });
        let doubted = Arc::new(Notify::new());
        let (preference, looked) = (RwLock::new(preference), watch::Sender::new(()));
        let backends =
            Arc::new(Self { rows, preference, doubted: Arc::clone(&doubted), looked, bus, clock });
        let mut backoff = ProbeBackoff::default();
        let pause = backoff.next_interval(backends.refresh().await);
        tokio::spawn(look_again(Arc::downgrade(&backends), doubted, backoff, pause));
        backends
    }

    /// Their names, in the operator's order.
    pub fn ids(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.adapter.id().to_owned()).collect()
    }

    /// Prefers these from now on.
    pub fn prefer(&self, preference: Preference) {
        *self.preference.write().unwrap_or_else(PoisonError::into_inner) = preference;
    }

    /// What is preferred and not there, in one line. Of backends that are not there themselves nothing is said.
    pub fn misfit(&self) -> Option<String> {
        let preference = self.preference.read().unwrap_or_else(PoisonError::into_inner).clone();
        let candidates = self.candidates();
        let matches = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        let mut of_backend = candidates
            .iter()
            .filter(|one| matches(&preference.backend, one.route.target.backend()))
            .peekable();
        of_backend.peek()?;
        if of_backend.any(|one| matches(&preference.model, one.route.target.model())) {
            return None;
        }
        Some(format!(
            "`default_model`: no backend serves `{}`; `pylon models` lists what there is",
            preference.model
        ))
    }

    /// A request has failed: is that backend still there?
    pub(super) fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Until the next look, which is at once or, if one has just been, very soon.
    pub async fn look(&self) {
        let mut looked = self.looked.subscribe();
        self.doubted.notify_one();
        let _ = timeout(FRESH_WITHIN, looked.changed()).await;
    }

    /// Asks every backend what it serves, and tells what has changed.
    async fn refresh(&self) -> ProbeOutcome {
        let found =
            futures::future::join_all(self.rows.iter().map(|row| self.refresh_one(row))).await;
        self.looked.send_replace(());
        match () {
            () if found.contains(&ProbeOutcome::Missing) => ProbeOutcome::Missing,
            () if found.contains(&ProbeOutcome::Changed) => ProbeOutcome::Changed,
            () => ProbeOutcome::Same,
        }
    }

    async fn refresh_one(&self, row: &Backend) -> ProbeOutcome {
        let silent = |_| Err(InferenceError::Timeout);
        let found = match timeout(LOOK_WITHIN, row.adapter.models()).await.unwrap_or_else(silent) {
            Ok(models) if !models.is_empty() => {
                row.complained.store(false, Ordering::Relaxed);
                Ok(models)
            }
            Ok(_) => Err(row.complain(&InferenceError::Unavailable("it serves no model".into()))),
            Err(error) => Err(row.complain(&error)),
        };
        let newly_missing = found == Err(true);
        let found = found.ok();
        let was = std::mem::replace(
            &mut *row.models.write().unwrap_or_else(PoisonError::into_inner),
            found.clone(),
        );
        let (backend_id, timestamp) = (row.adapter.id().to_owned(), self.clock.now());
        match (&was, found) {
            (None, Some(_)) => self.bus.announce(DomainEvent::BackendAvailable {
                backend_id: backend_id.clone(),
                timestamp,
            }),
            (_, None) if newly_missing => self.bus.announce(DomainEvent::BackendUnavailable {
                backend_id: backend_id.clone(),
                timestamp,
            }),
            _ => {}
        }
        let now = row.models.read().unwrap_or_else(PoisonError::into_inner);
        match now.as_ref() {
            None => ProbeOutcome::Missing,
            Some(models) if was.as_ref() == Some(models) => ProbeOutcome::Same,
            Some(models) => {
                let models = models.iter().map(|model| model.id.clone()).collect();
                self.bus.announce(DomainEvent::ModelsRefreshed { backend_id, models, timestamp });
                ProbeOutcome::Changed
            }
        }
    }

    /// Every model of every backend that is there, in the operator's order.
    pub fn candidates(&self) -> Vec<Candidate> {
        let preference = self.preference.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut candidates = Vec::new();
        for row in &self.rows {
            let models = row.models.read().unwrap_or_else(PoisonError::into_inner);
            for model in models.iter().flatten() {
                candidates.push(candidate(row, model, &preference));
            }
        }
        // Without a word from the operator, the first is the default.
        if let Some(first) = candidates.first_mut().filter(|_| preference == Preference::default())
        {
            first.preferred = true;
        }
        candidates
    }

    pub(super) fn find(&self, id: &str) -> Option<&Arc<Backend>> {
        self.rows.iter().find(|row| row.adapter.id() == id)
    }
}

fn candidate(row: &Backend, model: &ModelInfo, preference: &Preference) -> Candidate {
    let matches = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
    let named = *preference != Preference::default();
    let free = u32::try_from(row.slots.available_permits()).unwrap_or(u32::MAX);
    Candidate {
        route: Route {
            target: ExecutionTarget::Model {
                backend: row.adapter.id().to_owned(),
                model: model.id.clone(),
            },
            price_permille: 1000,
        },
        context_tokens: model.context_tokens,
        in_flight: row.slots_total.saturating_sub(free),
        limit: row.slots_total,
        queued: row.queued.load(Ordering::Relaxed),
        first_output_ms: row.first_output_ms.get(),
        tokens_per_second: row.tokens_per_second.get(),
        failure_permille: row.failure_permille.get().unwrap_or(0),
        preferred: named
            && matches(&preference.backend, row.adapter.id())
            && matches(&preference.model, &model.id),
    }
}

/// Until nobody holds them.
async fn look_again(
    backends: Weak<Backends>,
    doubted: Arc<Notify>,
    mut backoff: ProbeBackoff,
    mut pause: Duration,
) {
    loop {
        let looked = Instant::now();
        let _ = timeout(pause, doubted.notified()).await;
        sleep_until(looked + LOOK_AT_MOST_EVERY).await;
        match backends.upgrade() {
            Some(backends) => pause = backoff.next_interval(backends.refresh().await),
            None => return,
        }
    }
}

impl Backend {
    fn new(adapter: Arc<dyn Inference>) -> Self {
        let slots_total = adapter.max_concurrency().max(1);
        Self {
            adapter,
            slots: Arc::new(Semaphore::new(slots_total as usize)),
            slots_total,
            queued: AtomicU32::new(0),
            complained: AtomicBool::new(false),
            models: RwLock::new(None),
            first_output_ms: Average::default(),
            tokens_per_second: Average::default(),
            failure_permille: Average::default(),
        }
    }

    /// Waits for a free slot.
    pub(super) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let _waiting = Waiting::new(&self.queued);
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    pub(super) fn succeeded(&self, first_output: Duration, tokens: u64, generating: Duration) {
        self.failure_permille.blend(0);
        self.first_output_ms
            .add(u32::try_from(first_output.as_millis()).unwrap_or(u32::MAX).max(1));
        let per_second = u128::from(tokens).saturating_mul(1000) / generating.as_millis().max(1);
        self.tokens_per_second.add(u32::try_from(per_second).unwrap_or(u32::MAX));
    }

    /// Once for each time that it goes: what is the operator's to mend is no matter for a debugger.
    fn complain(&self, error: &InferenceError) -> bool {
        let newly = !self.complained.swap(true, Ordering::Relaxed);
        if newly {
            tracing::warn!(backend = self.adapter.id(), %error, "not available: start it, or set its `url` in config.toml");
        }
        newly
    }

    pub(super) fn failed(&self) {
        self.failure_permille.blend(1000);
    }
}

/// Counts who waits, also those who stop waiting.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

//! All inference backends: which are available, and which the operator prefers.

use crate::backend::BackendEntry;
use crate::bus::Bus;
use crate::panics::catch;
use pylon_core::decision::Candidate;
use pylon_core::event::DomainEvent;
use pylon_core::model_name::public_name;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::inference::{Inference, InferenceError};
use pylon_core::probe_backoff::{ProbeBackoff, ProbeOutcome};
use pylon_core::sync::{read, write};
use pylon_core::work::{ExecutionTarget, Route};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock, Weak};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// Of listing a backend's models.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two probes, however often they are requested.
const PROBE_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Of a requested probe: the interval and the probe itself.
const REQUESTED_PROBE_TIMEOUT: Duration = Duration::from_secs(4);

/// All backends of this node.
pub struct BackendRegistry {
    rows: Vec<Arc<BackendEntry>>,
    preference: RwLock<Preference>,
    probe_requested: Arc<Notify>,
    /// Changes after each probe.
    probed: watch::Sender<()>,
    bus: Bus,
    clock: Arc<dyn Clock>,
}

/// What the operator prefers when a job leaves it open, and the price factors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preference {
    /// A backend; if empty, the first.
    pub backend: String,
    /// A model; if empty, the first.
    pub model: String,
    /// Price factors in thousandths by MODEL or BACKEND/MODEL; 1000 for all others.
    pub price_permille: BTreeMap<String, u32>,
}

impl BackendRegistry {
    /// Probes all backends, and keeps probing them while the result is held.
    pub async fn watch(
        adapters: Vec<Arc<dyn Inference>>,
        preference: Preference,
        bus: Bus,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let rows: Vec<_> =
            adapters.into_iter().map(|adapter| Arc::new(BackendEntry::new(adapter))).collect();
        let backend_ids = rows.iter().map(|row| row.adapter.id().to_owned()).collect();
        bus.emit(DomainEvent::BackendsRegistered { backend_ids, timestamp: clock.now() });
        let probe_requested = Arc::new(Notify::new());
        let backends = Arc::new(Self {
            rows,
            preference: RwLock::new(preference),
            probe_requested: Arc::clone(&probe_requested),
            probed: watch::Sender::new(()),
            bus,
            clock,
        });
        let mut backoff = ProbeBackoff::default();
        let pause = backoff.next_interval(backends.probe_all().await);
        tokio::spawn(keep_probing(Arc::downgrade(&backends), probe_requested, backoff, pause));
        backends
    }

    /// Their ids, in the operator's order.
    pub fn ids(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.adapter.id().to_owned()).collect()
    }

    /// Why this backend is not available, with what the operator can do.
    pub fn error(&self, id: &str) -> Option<String> {
        let error = self.find(id)?.error()?;
        Some(format!("{error}; {}", error.hint(id)))
    }

    /// Changes the operator's preference.
    pub fn prefer(&self, preference: Preference) {
        *write(&self.preference) = preference;
    }

    /// One line for each setting with a model that is not served although its backend is available.
    pub fn preference_warnings(&self) -> Vec<String> {
        let preference = read(&self.preference).clone();
        let candidates = self.candidates();
        let targets = || candidates.iter().map(|candidate| &candidate.route.target);
        let not_served = |setting: &str, model: &str| {
            format!("`{setting}`: no backend serves `{model}`; `pylon models` lists what there is")
        };
        let mut warnings = Vec::new();
        let mut of_backend =
            targets().filter(|target| preference.is_backend(target.backend())).peekable();
        if of_backend.peek().is_some() && !of_backend.any(|it| preference.is_model(it.model())) {
            warnings.push(not_served("default_model", &preference.model));
        }
        let is_available =
            |row: &Arc<BackendEntry>| targets().any(|it| it.backend() == row.adapter.id());
        if self.rows.iter().all(is_available) {
            let is_served = |key: &&String| targets().any(|it| price_keys(it).contains(key));
            let unknown = preference.price_permille.keys().filter(|key| !is_served(key));
            warnings.extend(unknown.map(|key| not_served("price_permille", key)));
        }
        warnings
    }

    /// Every model of every available backend, in the operator's order.
    pub fn candidates(&self) -> Vec<Candidate> {
        let preference = read(&self.preference).clone();
        let is_set = !preference.backend.is_empty() || !preference.model.is_empty();
        let mut candidates = Vec::new();
        for row in &self.rows {
            let is_backend = is_set && preference.is_backend(row.adapter.id());
            candidates.extend(row.candidates(|model| is_backend && preference.is_model(model)));
        }
        // Without a preference the first is the default.
        if let Some(first) = candidates.first_mut().filter(|_| !is_set) {
            first.preferred = true;
        }
        for candidate in &mut candidates {
            let Route { target, price_permille } = &mut candidate.route;
            *price_permille = preference.price_permille(target);
        }
        candidates
    }

    /// Probes all backends now, or very soon if they were probed just now.
    pub async fn probe(&self) {
        let mut probed = self.probed.subscribe();
        self.request_probe();
        let _ = timeout(REQUESTED_PROBE_TIMEOUT, probed.changed()).await;
    }

    /// Has all backends probed soon, after a failed request.
    pub(crate) fn request_probe(&self) {
        self.probe_requested.notify_one();
    }

    /// Uses a backend no more until a probe succeeds, after a request with the same key failed.
    pub(crate) fn take_out(&self, row: &BackendEntry, error: &InferenceError) {
        if row.set_unavailable(error) {
            self.emit_unavailable(row);
        }
        self.request_probe();
    }

    fn emit_unavailable(&self, row: &BackendEntry) {
        let (backend_id, timestamp) = (row.adapter.id().to_owned(), self.clock.now());
        self.bus.emit(DomainEvent::BackendUnavailable { backend_id, timestamp });
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Arc<BackendEntry>> {
        self.rows.iter().find(|row| row.adapter.id() == id)
    }

    async fn probe_all(&self) -> ProbeOutcome {
        let probes = self.rows.iter().map(|row| self.probe_one(row));
        let outcomes = futures::future::join_all(probes).await;
        self.probed.send_replace(());
        match () {
            () if outcomes.contains(&ProbeOutcome::Missing) => ProbeOutcome::Missing,
            () if outcomes.contains(&ProbeOutcome::Changed) => ProbeOutcome::Changed,
            () => ProbeOutcome::Same,
        }
    }

    /// Lists the models of a backend, and emits what has changed.
    async fn probe_one(&self, row: &BackendEntry) -> ProbeOutcome {
        let listed = catch(timeout(PROBE_TIMEOUT, row.adapter.models()))
            .await
            .unwrap_or_else(|_| Ok(Err(InferenceError::Unavailable("its adapter panicked".into()))))
            .unwrap_or(Err(InferenceError::Timeout))
            .and_then(|models| match models.is_empty() {
                true => Err(InferenceError::Unavailable("it serves no model".into())),
                false => Ok(models),
            });
        let models = match listed {
            Ok(models) => models,
            // It says nothing about its models.
            Err(error @ InferenceError::Busy { .. }) => {
                row.warn_once(&error);
                return ProbeOutcome::Missing;
            }
            Err(error) => {
                if row.set_unavailable(&error) {
                    self.emit_unavailable(row);
                }
                return ProbeOutcome::Missing;
            }
        };
        let (backend_id, timestamp) = (row.adapter.id().to_owned(), self.clock.now());
        let before = row.set_available(models.clone());
        if before.is_none() {
            let backend_id = backend_id.clone();
            self.bus.emit(DomainEvent::BackendAvailable { backend_id, timestamp });
        }
        if before.as_ref() == Some(&models) {
            return ProbeOutcome::Same;
        }
        let models = models.into_iter().map(|model| model.id).collect();
        self.bus.emit(DomainEvent::ModelsRefreshed { backend_id, models, timestamp });
        ProbeOutcome::Changed
    }
}

impl Preference {
    fn is_backend(&self, id: &str) -> bool {
        self.backend.is_empty() || self.backend == id
    }

    fn is_model(&self, id: &str) -> bool {
        self.model.is_empty() || self.model == id || public_name(&self.model) == Some(id)
    }

    fn price_permille(&self, target: &ExecutionTarget) -> u32 {
        let set = price_keys(target).iter().find_map(|key| self.price_permille.get(key)).copied();
        set.unwrap_or(Route::NEUTRAL_PERMILLE)
    }
}

/// The keys of `price_permille` that name the target; the first one takes precedence.
fn price_keys(target: &ExecutionTarget) -> [String; 2] {
    let (backend, model) = (target.backend(), target.model());
    [format!("{backend}/{model}"), model.to_owned()]
}

/// Until no one holds the backends.
async fn keep_probing(
    backends: Weak<BackendRegistry>,
    requested: Arc<Notify>,
    mut backoff: ProbeBackoff,
    mut pause: Duration,
) {
    loop {
        let probed_at = Instant::now();
        let _ = timeout(pause, requested.notified()).await;
        sleep_until(probed_at + PROBE_INTERVAL_MIN).await;
        match backends.upgrade() {
            Some(backends) => pause = backoff.next_interval(backends.probe_all().await),
            None => return,
        }
    }
}

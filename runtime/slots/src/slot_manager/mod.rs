//! Changes the slots, one change after the other: it is prepared, recorded in the journal with an
//! audit row, and only then made. With a node, it applies to the jobs admitted from then on;
//! without one, from the next start. `operator` has the changes by command, `reconcile` those by
//! settings, `auto_rollback` and `expiry` those that the node makes.

mod auto_rollback;
mod expiry;
mod operator;
mod reconcile;
mod state;

use crate::audit::rejected;
use crate::config::Config;
use crate::failure::InstallFailure;
use crate::grants;
use crate::health::{HealthEvents, HealthMonitor};
use crate::history::{self, SlotHistory};
use crate::installer::{Installer, Rejected};
use crate::store::ComponentStore;
use anyhow::Result;
use pylon_core::UnixTime;
use pylon_core::installation::{Installation, PendingGuest, PendingKind};
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::rows::Row;
use pylon_core::slots::{Lockdown, SlotStatus};
use pylon_egress::policy::EgressPolicy;
use pylon_sandbox::{GuestSetRegistry, Sandbox, Slot, SlotAssignment};
use state::{State, commit};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, MutexGuard, watch};

/// When to try again to remove an expired guest.
pub(crate) const RETRY_SECONDS: u64 = 600;
/// A change is prepared again this many times if others were made meanwhile; then others wait.
const CONCURRENT_ATTEMPTS_MAX: usize = 3;

/// Changes the slots.
pub struct SlotManager {
    sandbox: Sandbox,
    store: ComponentStore,
    egress: EgressPolicy,
    state: Mutex<State>,
    /// The serving guests; unset without a node.
    live: OnceLock<Arc<GuestSetRegistry>>,
    pub(crate) health: Arc<HealthMonitor>,
    changed: watch::Sender<u64>,
}

impl SlotManager {
    /// With the history that the journal has.
    pub(crate) fn new(
        sandbox: Sandbox,
        store: ComponentStore,
        history: SlotHistory,
        config: &Config,
        egress: EgressPolicy,
    ) -> (Self, HealthEvents) {
        let (health, events) = HealthMonitor::new();
        let SlotHistory { installations, pending } = history;
        let changed = watch::Sender::new(history::newest(&installations));
        let state = Mutex::new(State {
            history: installations,
            pending,
            config: config.clone(),
            reported: BTreeMap::new(),
        });
        (Self { sandbox, store, egress, state, live: OnceLock::new(), health, changed }, events)
    }

    /// Without a node: changes apply from the next start.
    pub fn offline(
        sandbox: Sandbox,
        store: ComponentStore,
        history: SlotHistory,
        config: &Config,
        egress: EgressPolicy,
    ) -> Self {
        Self::new(sandbox, store, history, config, egress).0
    }

    /// All guests of the slots.
    pub async fn status(&self) -> Vec<SlotStatus> {
        let state = self.state.lock().await;
        let now = history::at(&state.history, history::newest(&state.history));
        let live: BTreeMap<_, _> =
            self.live.get().map(|live| live.list()).into_iter().flatten().collect();
        let serving = now.iter().filter_map(|(slot, row)| {
            let status = SlotStatus::serving(row, self.health.stats(*slot))?;
            // Later rules may have left it fewer grants.
            let grants = live
                .get(slot)
                .map_or_else(|| status.grants.clone(), |guest| grants::names(guest.granted()));
            Some(SlotStatus { grants, ..status })
        });
        let skipped = |pending: &PendingGuest| {
            pending.slot.parse().ok().map(|slot| self.health.skipped(slot))
        };
        let pending =
            state.pending.iter().map(|pending| SlotStatus::pending(pending, skipped(pending)));
        serving.chain(pending).collect()
    }

    /// The rules that apply now.
    pub async fn lockdown(&self) -> Lockdown {
        self.state.lock().await.config.lockdown.clone()
    }

    /// Notifies of each change: the newest revision.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// When the first guest was replaced that jobs of this kind and revision still need; `None`
    /// while all of them serve.
    pub async fn replaced_at(&self, revision: u64, kind: u16) -> Option<UnixTime> {
        history::replaced_at(&self.state.lock().await.history, revision, kind)
    }

    /// Time of the last change.
    pub async fn last_change(&self) -> Option<UnixTime> {
        self.state.lock().await.history.last().map(|row| row.at)
    }

    /// Prepares a change, which may take long and blocks no other change, and then locks the slots.
    /// If they changed meanwhile, it is prepared again, the last time under the lock, so that it
    /// ends.
    async fn prepare_change<T, F>(
        &self,
        prepare: impl Fn(Arc<State>) -> F,
    ) -> (MutexGuard<'_, State>, T)
    where
        F: Future<Output = T>,
    {
        for _ in 0..CONCURRENT_ATTEMPTS_MAX {
            let seen = Arc::new(self.state.lock().await.clone());
            let prepared = prepare(Arc::clone(&seen)).await;
            let state = self.state.lock().await;
            if state.is_unchanged(&seen) {
                return (state, prepared);
            }
        }
        let state = self.state.lock().await;
        let prepared = prepare(Arc::new(state.clone())).await;
        (state, prepared)
    }

    fn installer<'a>(&'a self, config: &'a Config) -> Installer<'a> {
        Installer { sandbox: &self.sandbox, store: &self.store, config, egress: &self.egress }
    }

    /// Commits rows, and applies those about shadows and pending guests.
    async fn commit(
        &self,
        state: &mut State,
        journal: &dyn Journal,
        rows: Vec<Row>,
    ) -> Result<(), JournalError> {
        commit(journal, rows.clone()).await?;
        self.apply_pending(state, &rows);
        Ok(())
    }

    fn apply_pending(&self, state: &mut State, rows: &[Row]) {
        state.apply_pending(rows);
        for row in rows {
            if let Row::RemovePending(slot, PendingKind::Shadow) = row
                && let Ok(slot) = slot.parse()
            {
                self.health.set_shadow(slot, None);
            }
        }
    }

    /// Makes changes that are committed: they apply to the jobs admitted from now on.
    fn swap(
        &self,
        state: &mut State,
        changes: &[SlotAssignment],
        rows: Vec<Installation>,
    ) -> Result<()> {
        state.history.extend(rows);
        if let Some(live) = self.live.get().filter(|_| !changes.is_empty()) {
            live.swap(history::newest(&state.history), changes)?;
        }
        self.notify(state);
        Ok(())
    }

    /// Tells the health monitor and the receivers of [`Self::changes`].
    fn notify(&self, state: &State) {
        let newest = history::newest(&state.history);
        let now = history::at(&state.history, newest);
        self.health.set_serving(
            now.iter()
                .filter_map(|(slot, row)| Some((*slot, row.guest.as_ref()?.digest, row.revision))),
        );
        self.changed.send_replace(newest);
    }
}

/// Records that a change failed, and returns why.
async fn record_failure(
    state: &mut State,
    action: &str,
    slot: Slot,
    failed: Rejected,
    journal: Option<&dyn Journal>,
    now: UnixTime,
) -> InstallFailure {
    let rows = rejected(action, slot, &failed, now);
    state.apply_pending(&rows);
    // It has failed whether or not it can be recorded.
    if let Some(journal) = journal
        && let Err(error) = commit(journal, rows).await
    {
        tracing::error!(%error, "cannot record a failed change of a slot");
    }
    failed.failure
}

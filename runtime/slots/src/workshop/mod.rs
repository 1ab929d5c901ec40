//! Where slots are changed, one change after the other: prepared, written down with who did what, and only then put to work. With a node the jobs
//! from then on have the change; without one the next start has it. `settings` is what history and settings ask for, `deeds` what operators do,
//! `by_itself` and `releases` what the node does.

mod by_itself;
mod deeds;
mod releases;
mod settings;
mod state;

use super::record::refusal;
use super::steps::{Bench, Refused, Stop};
use super::watch::{Reports, Watch};
use super::{Ledger, Shelf, grants, history};
use crate::Config;
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

/// So often a change is prepared anew because another was made meanwhile; then the others wait for it.
const LOOKS_MAX: usize = 3;

/// All that a change needs.
pub struct Workshop {
    sandbox: Sandbox,
    shelf: Shelf,
    addresses: EgressPolicy,
    state: Mutex<State>,
    /// The guests at work, with a node.
    live: OnceLock<Arc<GuestSetRegistry>>,
    pub(super) watch: Arc<Watch>,
    changed: watch::Sender<u64>,
}

impl Workshop {
    /// Over what the journal says.
    pub(super) fn new(
        sandbox: Sandbox,
        shelf: Shelf,
        ledger: Ledger,
        config: &Config,
        addresses: EgressPolicy,
    ) -> (Self, Reports) {
        let (watch, reports) = Watch::new();
        let Ledger { history, standbys } = ledger;
        let changed = watch::Sender::new(history::newest(&history));
        let state =
            Mutex::new(State { history, standbys, config: config.clone(), told: BTreeMap::new() });
        (Self { sandbox, shelf, addresses, state, live: OnceLock::new(), watch, changed }, reports)
    }

    /// Without a node: the next start has what is done here.
    pub fn offline(
        sandbox: Sandbox,
        shelf: Shelf,
        ledger: Ledger,
        config: &Config,
        addresses: EgressPolicy,
    ) -> Self {
        Self::new(sandbox, shelf, ledger, config, addresses).0
    }

    /// Who is where, and beside whom.
    pub async fn seated(&self) -> Vec<SlotStatus> {
        let state = self.state.lock().await;
        let now = history::at(&state.history, history::newest(&state.history));
        let live: BTreeMap<_, _> =
            self.live.get().map(|live| live.list()).into_iter().flatten().collect();
        let serving = now.iter().filter_map(|(slot, row)| {
            let seated = SlotStatus::serving(row, self.watch.figures(*slot))?;
            // Rules that came later may have left less.
            let grants = live
                .get(slot)
                .map_or_else(|| seated.grants.clone(), |guest| grants::names(guest.granted()));
            Some(SlotStatus { grants, ..seated })
        });
        let missed =
            |standby: &PendingGuest| standby.slot.parse().ok().map(|slot| self.watch.missed(slot));
        let beside =
            state.standbys.iter().map(|standby| SlotStatus::beside(standby, missed(standby)));
        serving.chain(beside).collect()
    }

    /// What may be installed, as it holds now.
    pub async fn rules(&self) -> Lockdown {
        self.state.lock().await.config.lockdown.clone()
    }

    /// Sees each change from now on: the newest set of guests.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// When guests of this kind in this set were replaced, if they were; and the last change of all.
    pub async fn replaced_at(&self, revision: u64, kind: u16) -> Option<UnixTime> {
        history::replaced_at(&self.state.lock().await.history, revision, kind)
    }

    /// When anything was changed last.
    pub async fn last_change(&self) -> Option<UnixTime> {
        self.state.lock().await.history.last().map(|row| row.at)
    }

    /// Prepares a change, which may take long, while others can be made, and holds up the others from then on. What was prepared is for the slots as they
    /// are: if they were changed meanwhile, it is prepared anew, at last with all others waiting, so that it ends.
    async fn prepared<T, F>(&self, prepare: impl Fn(Arc<State>) -> F) -> (MutexGuard<'_, State>, T)
    where
        F: Future<Output = T>,
    {
        for _ in 0..LOOKS_MAX {
            let seen = Arc::new(self.state.lock().await.clone());
            let prepared = prepare(Arc::clone(&seen)).await;
            let state = self.state.lock().await;
            if state.is(&seen) {
                return (state, prepared);
            }
        }
        let state = self.state.lock().await;
        let prepared = prepare(Arc::new(state.clone())).await;
        (state, prepared)
    }

    fn bench<'a>(&'a self, config: &'a Config) -> Bench<'a> {
        Bench { sandbox: &self.sandbox, shelf: &self.shelf, config, addresses: &self.addresses }
    }

    /// It is written: the jobs from now on have it.
    fn put(
        &self,
        state: &mut State,
        changes: &[SlotAssignment],
        rows: Vec<Installation>,
    ) -> Result<()> {
        state.history.extend(rows);
        if let Some(live) = self.live.get().filter(|_| !changes.is_empty()) {
            live.swap(history::newest(&state.history), changes)?;
        }
        self.tell(state);
        Ok(())
    }

    /// Writes down who stands beside the slots from now on, and why; who does not any more is not asked any more.
    async fn write(
        &self,
        state: &mut State,
        journal: &dyn Journal,
        rows: Vec<Row>,
    ) -> Result<(), JournalError> {
        commit(journal, rows.clone()).await?;
        self.remember(state, &rows);
        Ok(())
    }

    fn remember(&self, state: &mut State, rows: &[Row]) {
        state.remember(rows);
        for row in rows {
            if let Row::RemovePending(slot, PendingKind::Shadow) = row
                && let Ok(slot) = slot.parse()
            {
                self.watch.shadow(slot, None);
            }
        }
    }

    fn tell(&self, state: &State) {
        let newest = history::newest(&state.history);
        let now = history::at(&state.history, newest);
        self.watch.serve(
            now.iter()
                .filter_map(|(slot, row)| Some((*slot, row.guest.as_ref()?.digest, row.revision))),
        );
        self.changed.send_replace(newest);
    }
}

/// Writes down that this was refused, and says why.
async fn refuse(
    state: &mut State,
    action: &str,
    slot: Slot,
    refused: Refused,
    journal: Option<&dyn Journal>,
    now: UnixTime,
) -> Stop {
    let (stop, rows) = refusal(action, slot, refused, now);
    state.remember(&rows);
    // What was refused stays refused, written down or not.
    if let Some(journal) = journal
        && let Err(error) = commit(journal, rows).await
    {
        tracing::error!(%error, "a refusal is not written down");
    }
    stop
}

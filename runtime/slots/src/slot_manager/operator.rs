//! Changes that an operator requests.

use super::state::State;
use super::{SlotManager, record_failure};
use crate::audit::{done, installed};
use crate::failure::InstallFailure;
use crate::fetch::FetchedComponent;
use crate::history;
use crate::installer::{InstallRequest, Prepared, Rejected};
use pylon_core::UnixTime;
use pylon_core::installation::{PendingGuest, PendingKind};
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::rows::Row;
use pylon_core::slots::{REMOVED, SlotChange, SlotStatus};
use pylon_sandbox::{Role, Slot};

impl SlotManager {
    /// Makes a change, or leaves everything as it is. Either is recorded.
    pub async fn apply(
        &self,
        change: &SlotChange,
        journal: &dyn Journal,
        now: UnixTime,
    ) -> Result<SlotStatus, InstallFailure> {
        let parsed = change.slot().parse();
        let slot: Slot = parsed.map_err(|error| InstallFailure::new("slot", format!("{error}")))?;
        let fetched = match change {
            SlotChange::Install { guest, .. } => {
                let config = self.state.lock().await.config.clone();
                Some(self.installer(&config).fetch(slot, guest).await)
            }
            _ => None,
        };
        let fetched = fetched.as_ref();
        let (mut state, prepared) = self
            .prepare_change(
                |seen| async move { self.prepare(&seen, change, slot, fetched, now).await },
            )
            .await;
        let action = change.as_str();
        match prepared {
            Ok(Some(prepared)) if matches!(change, SlotChange::Install { shadow: true, .. }) => {
                self.put_shadow(&mut state, slot, prepared, journal, now).await
            }
            Ok(prepared) => {
                self.put_serving(&mut state, slot, prepared, change, journal, now).await
            }
            Err(failed) => {
                Err(record_failure(&mut state, action, slot, failed, Some(journal), now).await)
            }
        }
    }

    /// The guest to put into the slot; `None` empties it.
    async fn prepare(
        &self,
        state: &State,
        change: &SlotChange,
        slot: Slot,
        fetched: Option<&Result<FetchedComponent, InstallFailure>>,
        now: UnixTime,
    ) -> Result<Option<Prepared>, Rejected> {
        let installer = self.installer(&state.config);
        if let SlotChange::Install { shadow: true, .. } = change {
            check_shadow(state, slot)?;
        }
        if let (SlotChange::Install { guest, .. }, Some(fetched)) = (change, fetched) {
            let serving = history::current(&state.history);
            let request = InstallRequest { slot, guest, current: serving.get(&slot).copied() };
            return installer.prepare(request, fetched, now).await.map(Some);
        }
        let Some(record) = state.recorded_guest(change, slot)? else { return Ok(None) };
        match installer.load_predecessor(slot, &record, now).await {
            Ok(guest) => Ok(Some(Prepared { guest, record })),
            Err(error) => Err(Rejected::unavailable(&record, &error)),
        }
    }

    async fn put_shadow(
        &self,
        state: &mut State,
        slot: Slot,
        prepared: Prepared,
        journal: &dyn Journal,
        now: UnixTime,
    ) -> Result<SlotStatus, InstallFailure> {
        let Prepared { guest, record } = prepared;
        let audit = done("shadow", slot, &record, now);
        let shadow = PendingGuest {
            slot: slot.to_string(),
            kind: PendingKind::Shadow,
            guest: record,
            extra_grants: Vec::new(),
            since: now,
        };
        let status = SlotStatus::pending(&shadow, Some(0));
        let rows = vec![Row::PutPending(Box::new(shadow)), Row::Audit(Box::new(audit))];
        self.commit(state, journal, rows).await.map_err(not_recorded)?;
        self.health.set_shadow(slot, Some(guest));
        // The supervisor has to watch its release, too.
        self.notify(state);
        Ok(status)
    }

    async fn put_serving(
        &self,
        state: &mut State,
        slot: Slot,
        prepared: Option<Prepared>,
        change: &SlotChange,
        journal: &dyn Journal,
        now: UnixTime,
    ) -> Result<SlotStatus, InstallFailure> {
        let action = change.as_str();
        let (guest, record) = prepared.map(|ready| (ready.guest, ready.record)).unzip();
        let row = state.next_row(slot, record, action, now);
        let removed = || {
            let (role, revision) = (REMOVED.into(), Some(row.revision));
            Some(SlotStatus { role, revision, ..state.serving(slot)? })
        };
        let status = SlotStatus::serving(&row, None).or_else(removed);
        let mut rows = installed(std::slice::from_ref(&row), action);
        if let SlotChange::Activate { .. } = change {
            rows.push(Row::RemovePending(slot.to_string(), PendingKind::Shadow));
        }
        rows.extend(state.orphaned_shadows(std::slice::from_ref(&row), action, now));
        self.commit(state, journal, rows).await.map_err(not_recorded)?;
        self.swap(state, &[(slot, guest)], vec![row])
            .map_err(|error| InstallFailure::new("slot", error.to_string()))?;
        status.ok_or_else(|| InstallFailure::new("slot", format!("{slot} was empty already")))
    }
}

fn check_shadow(state: &State, slot: Slot) -> Result<(), InstallFailure> {
    let failure = |message: String| Err(InstallFailure::new("shadow", message));
    if slot.role() == Role::Handler {
        return failure(format!(
            "{slot} cannot have a shadow, because the work of a job is not done twice: only \
             policies can"
        ));
    }
    if !state.is_filled_after(&[], slot) {
        return failure(format!(
            "{slot} is empty, and a shadow needs a serving guest: install it without `--shadow`"
        ));
    }
    Ok(())
}

fn not_recorded(error: JournalError) -> InstallFailure {
    InstallFailure::new("journal", error.to_string())
}

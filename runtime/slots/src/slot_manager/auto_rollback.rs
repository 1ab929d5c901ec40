//! Automatic rollback: a guest that fails too often, or whose release expired, is replaced by its
//! newest loadable predecessor.

use super::SlotManager;
use super::state::{State, commit};
use crate::audit::{done, installed, rejected};
use crate::call_stats::{FAULT_WINDOW, FAULTS_MAX};
use crate::failure::{InstallFailure, NO_TARGET, UNAVAILABLE};
use crate::health::FaultAlert;
use crate::installer::{InstallRequest, Prepared};
use crate::rollback::{self, ROLLBACK};
use crate::shipped;
use anyhow::Result;
use pylon_core::UnixTime;
use pylon_core::installation::{Audit, Installation, InstalledGuest};
use pylon_core::ports::journal::Journal;
use pylon_core::rows::Row;
use pylon_core::slots::GuestConfig;
use pylon_sandbox::{Slot, SlotAssignment};

/// A guest that cannot be rolled back is reported again after this time.
const REPORT_INTERVAL_SECONDS: u64 = 3600;

/// Why a guest is replaced.
#[derive(Clone, Copy)]
pub(super) enum Cause {
    /// It fails too often.
    Faults,
    /// Its release expired or was deleted.
    Expired(&'static str),
}

impl Cause {
    /// In the history.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Faults => rollback::FAULTS,
            Self::Expired(_) => rollback::EXPIRED,
        }
    }

    /// For the audit log: one line.
    fn message(self, guest: &InstalledGuest) -> String {
        let guest = format!("{} {}", guest.name, guest.version);
        match self {
            Self::Faults => format!("{guest} failed {FAULTS_MAX} of {FAULT_WINDOW} calls"),
            Self::Expired(why) => format!("the release of {guest} is not valid any more: {why}"),
        }
    }
}

/// What replaces a guest.
struct Replacement {
    /// `Ok(None)` empties the slot; an error leaves the guest there.
    next: Result<Option<Prepared>, InstallFailure>,
    /// Audit rows of the candidates that are unavailable.
    unavailable: Vec<Row>,
}

impl SlotManager {
    /// Rolls back a guest that fails too often, if it still serves.
    pub async fn roll_back(&self, alert: FaultAlert, journal: &dyn Journal, now: UnixTime) {
        self.replace(alert, Cause::Faults, journal, now).await;
    }

    /// Replaces a guest, if it still serves and there is a replacement.
    pub(super) async fn replace(
        &self,
        alert: FaultAlert,
        cause: Cause,
        journal: &dyn Journal,
        now: UnixTime,
    ) {
        let slot = alert.slot;
        let (mut state, found) = self
            .prepare_change(|seen| async move {
                let guest = seen.alerted_guest(alert)?;
                let replacement = self.find_replacement(&seen, slot, guest, cause, now).await;
                Some((guest.clone(), replacement))
            })
            .await;
        let Some((guest, Replacement { next, unavailable })) = found else { return };
        let done = match next {
            Ok(next) => {
                let (next, record) = next.map(|next| (next.guest, next.record)).unzip();
                let row = state.next_row(slot, record, cause.as_str(), now);
                let message = cause.message(&guest);
                let change = (slot, next);
                self.put_replacement(&mut state, row, change, &message, unavailable, journal).await
            }
            Err(failure) => {
                report_stuck(
                    &mut state,
                    alert,
                    (&guest, cause),
                    &failure,
                    unavailable,
                    journal,
                    now,
                )
                .await
            }
        };
        if let Err(error) = done {
            tracing::error!(%slot, error = format!("{error:#}"), "automatic rollback failed");
        }
    }

    async fn find_replacement(
        &self,
        state: &State,
        slot: Slot,
        present: &InstalledGuest,
        cause: Cause,
        now: UnixTime,
    ) -> Replacement {
        let mut unavailable = Vec::new();
        for candidate in rollback::rollback_candidates(&state.history, slot) {
            let Some(record) = candidate else {
                return Replacement { next: Ok(None), unavailable };
            };
            match self.installer(&state.config).load_predecessor(slot, record, now).await {
                Ok(guest) => {
                    let next = Ok(Some(Prepared { guest, record: record.clone() }));
                    return Replacement { next, unavailable };
                }
                Err(error) => unavailable.push(Row::Audit(Box::new(Audit {
                    outcome: UNAVAILABLE.into(),
                    detail: format!("cannot be loaded: {error:#}"),
                    ..done(ROLLBACK, slot, record, now)
                }))),
            }
        }
        if unavailable.is_empty() && matches!(cause, Cause::Faults) {
            let message = rollback::no_target_message(&state.history, slot);
            return Replacement { next: Err(InstallFailure::new(NO_TARGET, message)), unavailable };
        }
        let next = match self.shipped_default(state, slot, present, &mut unavailable, now).await {
            Some(shipped) => Ok(Some(shipped)),
            // An empty slot is better than a guest without a valid release.
            None if matches!(cause, Cause::Expired(_)) && !shipped::is_required(slot) => Ok(None),
            None => Err(InstallFailure::new(UNAVAILABLE, "no predecessor can be loaded")),
        };
        Replacement { next, unavailable }
    }

    /// The shipped guest of a required slot, if it is another than the present one.
    async fn shipped_default(
        &self,
        state: &State,
        slot: Slot,
        present: &InstalledGuest,
        unavailable: &mut Vec<Row>,
        now: UnixTime,
    ) -> Option<Prepared> {
        if !shipped::is_required(slot) {
            return None;
        }
        let (installer, guest) = (self.installer(&state.config), GuestConfig::default());
        let fetched = installer.fetch(slot, &guest).await;
        let request = InstallRequest { slot, guest: &guest, current: None };
        match installer.prepare(request, &fetched, now).await {
            Ok(prepared) => Some(prepared).filter(|next| next.record.digest != present.digest),
            Err(failed) => {
                unavailable.extend(rejected(ROLLBACK, slot, &failed, now));
                None
            }
        }
    }

    async fn put_replacement(
        &self,
        state: &mut State,
        row: Installation,
        change: SlotAssignment,
        message: &str,
        unavailable: Vec<Row>,
        journal: &dyn Journal,
    ) -> Result<()> {
        let mut rows = installed(std::slice::from_ref(&row), ROLLBACK);
        for row in &mut rows {
            if let Row::Audit(audit) = row {
                message.clone_into(&mut audit.detail);
            }
        }
        let shadows = state.orphaned_shadows(std::slice::from_ref(&row), ROLLBACK, row.at);
        let rows = unavailable.into_iter().chain(rows).chain(shadows).collect();
        self.commit(state, journal, rows).await?;
        let (slot, revision) = (change.0, row.revision);
        tracing::warn!(%slot, revision, cause = message, "rolled back automatically");
        self.swap(state, &[change], vec![row])
    }
}

/// Reports that a guest could not be replaced, at most once per [`REPORT_INTERVAL_SECONDS`].
async fn report_stuck(
    state: &mut State,
    alert: FaultAlert,
    (guest, cause): (&InstalledGuest, Cause),
    failure: &InstallFailure,
    mut rows: Vec<Row>,
    journal: &dyn Journal,
    now: UnixTime,
) -> Result<()> {
    let FaultAlert { slot, revision } = alert;
    let is_reported = state.reported.get(&slot).is_some_and(|(of, code, at)| {
        (*of, *code) == (revision, failure.code) && now.since(*at) < REPORT_INTERVAL_SECONDS
    });
    if is_reported {
        return Ok(());
    }
    state.reported.insert(slot, (revision, failure.code, now));
    let detail = format!(
        "{}; it stays, because no rollback is possible: {}",
        cause.message(guest),
        failure.message
    );
    match cause {
        Cause::Faults => tracing::warn!(%slot, detail, "failing guest stays"),
        Cause::Expired(_) => tracing::error!(%slot, detail, "guest with an expired release stays"),
    }
    let audit = Audit { outcome: failure.code.into(), detail, ..done(ROLLBACK, slot, guest, now) };
    rows.push(Row::Audit(Box::new(audit)));
    Ok(commit(journal, rows).await?)
}

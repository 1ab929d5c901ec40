//! The slots as the journal has them, and the settings that apply.

use crate::audit::shadow_removed;
use crate::config::Config;
use crate::failure::{InstallFailure, NO_TARGET};
use crate::health::FaultAlert;
use crate::{history, rollback, shipped};
use pylon_core::UnixTime;
use pylon_core::installation::{Installation, InstalledGuest, PendingGuest, PendingKind};
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::rows::Row;
use pylon_core::slots::{SlotChange, SlotStatus};
use pylon_sandbox::Slot;
use std::collections::BTreeMap;

#[derive(Clone)]
pub(super) struct State {
    pub(super) history: Vec<Installation>,
    pub(super) pending: Vec<PendingGuest>,
    pub(super) config: Config,
    /// The last report about a guest that could not be rolled back: its revision, the code and
    /// when.
    pub(super) reported: BTreeMap<Slot, (u64, &'static str, UnixTime)>,
}

impl State {
    /// Whether a change that was prepared for the other state is valid for this one.
    pub(super) fn is_unchanged(&self, since: &Self) -> bool {
        history::newest(&self.history) == history::newest(&since.history)
            && self.pending == since.pending
            && self.config == since.config
    }

    /// The row of the next revision.
    pub(super) fn next_row(
        &self,
        slot: Slot,
        guest: Option<InstalledGuest>,
        cause: &str,
        at: UnixTime,
    ) -> Installation {
        Installation {
            revision: history::newest(&self.history) + 1,
            slot: slot.to_string(),
            guest,
            config: history::config_json(&self.config, slot),
            cause: cause.into(),
            at,
        }
    }

    pub(super) fn serving(&self, slot: Slot) -> Option<SlotStatus> {
        SlotStatus::serving(
            history::at(&self.history, history::newest(&self.history)).get(&slot)?,
            None,
        )
    }

    /// The recorded guest that a change refers to; `None`, if the slot was empty then.
    pub(super) fn recorded_guest(
        &self,
        change: &SlotChange,
        slot: Slot,
    ) -> Result<Option<InstalledGuest>, InstallFailure> {
        let no_target = |message: String| InstallFailure::new(NO_TARGET, message);
        match change {
            SlotChange::Activate { .. } => {
                let shadow = self.pending_guest(slot, PendingKind::Shadow);
                shadow.map(Some).ok_or_else(|| {
                    no_target(format!(
                        "{slot} has no shadow: install one with `pylon guest install SOURCE \
                         --slot {slot} --shadow`"
                    ))
                })
            }
            SlotChange::Approve { digest, .. } => {
                let pending = self.pending_guest(slot, PendingKind::Approval).ok_or_else(|| {
                    no_target(format!(
                        "no guest waits for approval in {slot}: `pylon guest list` shows those \
                         that do"
                    ))
                })?;
                if digest.is_some_and(|seen| seen != pending.digest) {
                    let message = format!(
                        "{} {} waits for {slot} now, {}: see it with `pylon guest list`",
                        pending.name, pending.version, pending.digest
                    );
                    return Err(InstallFailure::new("digest", message));
                }
                Ok(Some(pending))
            }
            SlotChange::Rollback { to, .. } => {
                let target = rollback::target(&self.history, slot, *to);
                target.map(Option::<&InstalledGuest>::cloned).ok_or_else(|| match to {
                    None => no_target(rollback::no_target_message(&self.history, slot)),
                    Some(0) if shipped::is_required(slot) => no_target(format!(
                        "{slot} cannot be empty: name a revision of `pylon guest list --history`"
                    )),
                    Some(to) => no_target(format!(
                        "{slot} had no guest in revision {to}: see `pylon guest list --history`"
                    )),
                })
            }
            SlotChange::Install { .. } => Err(no_target("an installation needs a source".into())),
        }
    }

    fn pending_guest(&self, slot: Slot, kind: PendingKind) -> Option<InstalledGuest> {
        let name = slot.to_string();
        let mut all = self.pending.iter();
        all.find(|pending| pending.slot == name && pending.kind == kind)
            .map(|pending| pending.guest.clone())
    }

    /// Whether the slot has a guest after these changes, now or from the next start.
    pub(super) fn is_filled_after(&self, changes: &[Installation], slot: Slot) -> bool {
        let name = slot.to_string();
        let mut rows = changes.iter().rev().chain(self.history.iter().rev());
        shipped::is_required(slot)
            || rows.find(|row| row.slot == name).is_some_and(|row| row.guest.is_some())
    }

    /// The shadows, each with its slot.
    pub(super) fn shadows(&self) -> impl Iterator<Item = (Slot, &InstalledGuest)> {
        let shadows = self.pending.iter().filter(|pending| pending.kind == PendingKind::Shadow);
        shadows.filter_map(|shadow| Some((shadow.slot.parse().ok()?, &shadow.guest)))
    }

    /// The rows that remove the shadows whose slots are empty after these changes.
    pub(super) fn orphaned_shadows(
        &self,
        changes: &[Installation],
        action: &str,
        at: UnixTime,
    ) -> Vec<Row> {
        self.shadows()
            .filter(|(slot, _)| !self.is_filled_after(changes, *slot))
            .flat_map(|(slot, shadow)| {
                shadow_removed(action, slot, shadow, "its slot is empty", at)
            })
            .collect()
    }

    /// The guest that an alert is about, if it still serves.
    pub(super) fn alerted_guest(&self, alert: FaultAlert) -> Option<&InstalledGuest> {
        let now = history::at(&self.history, history::newest(&self.history));
        let row = *now.get(&alert.slot)?;
        row.guest.as_ref().filter(|_| row.revision == alert.revision)
    }

    /// Applies the rows about shadows and pending guests.
    pub(super) fn apply_pending(&mut self, rows: &[Row]) {
        for row in rows {
            match row {
                Row::PutPending(new) => {
                    self.pending.retain(|one| (&one.slot, one.kind) != (&new.slot, new.kind));
                    self.pending.push(PendingGuest::clone(new));
                }
                Row::RemovePending(slot, kind) => {
                    self.pending.retain(|one| (&one.slot, one.kind) != (slot, *kind));
                }
                _ => {}
            }
        }
    }
}

pub(super) async fn commit(journal: &dyn Journal, rows: Vec<Row>) -> Result<(), JournalError> {
    if rows.is_empty() { Ok(()) } else { journal.commit(rows.into()).await }
}

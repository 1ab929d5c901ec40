//! What is written down of the slots, as the workshop holds it.

use crate::Config;
use crate::record::dismissed;
use crate::steps::Stop;
use crate::watch::Alarm;
use crate::{history, rollback, shipped};
use pylon_core::UnixTime;
use pylon_core::installation::{Installation, InstalledGuest as Record, PendingGuest, PendingKind};
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::rows::Row;
use pylon_core::slots::{SlotChange, SlotStatus};
use pylon_sandbox::Slot;
use std::collections::BTreeMap;

/// What is written down.
#[derive(Clone)]
pub(super) struct State {
    pub(super) history: Vec<Installation>,
    pub(super) standbys: Vec<PendingGuest>,
    pub(super) config: Config,
    /// Since when it is known that the guest of a set fails and stays, and why.
    pub(super) told: BTreeMap<Slot, (u64, &'static str, UnixTime)>,
}

impl State {
    /// Would the same be prepared by the other?
    pub(super) fn is(&self, other: &Self) -> bool {
        history::newest(&self.history) == history::newest(&other.history)
            && self.standbys == other.standbys
            && self.config == other.config
    }

    pub(super) fn row(
        &self,
        slot: Slot,
        guest: Option<Record>,
        why: &str,
        at: UnixTime,
    ) -> Installation {
        let (revision, stanza) =
            (history::newest(&self.history) + 1, history::stanza(&self.config, slot));
        Installation {
            revision,
            slot: slot.to_string(),
            guest,
            config: stanza,
            cause: why.into(),
            at,
        }
    }

    pub(super) fn serving(&self, slot: Slot) -> Option<SlotStatus> {
        SlotStatus::serving(
            history::at(&self.history, history::newest(&self.history)).get(&slot)?,
            None,
        )
    }

    /// The guest of before that this is about; nobody, if the slot was empty then.
    pub(super) fn named(&self, deed: &SlotChange, slot: Slot) -> Result<Option<Record>, Stop> {
        let nothing = |why: String| Stop::new("nothing", why);
        match deed {
            SlotChange::Activate { .. } => self.standby(slot, PendingKind::Shadow).map(Some).ok_or_else(|| {
                nothing(format!("{slot} has no shadow: `pylon guest install SOURCE --slot {slot} --shadow` puts one there"))
            }),
            SlotChange::Approve { digest, .. } => {
                let waiting = self.standby(slot, PendingKind::Approval);
                let waiting = waiting
                    .ok_or_else(|| nothing(format!("no guest waits for {slot}: `pylon guest list` shows those that do")))?;
                if digest.is_some_and(|seen| seen != waiting.digest) {
                    let why = format!("by now {} {} waits for {slot}, {}", waiting.name, waiting.version, waiting.digest);
                    return Err(Stop::new("digest", format!("{why}: see it with `pylon guest list`")));
                }
                Ok(Some(waiting))
            }
            SlotChange::Rollback { to, .. } => {
                let before = rollback::target(&self.history, slot, *to).map(Option::<&Record>::cloned);
                before.ok_or_else(|| match to {
                    None => nothing(rollback::nobody(&self.history, slot)),
                    Some(0) if shipped::fills(slot) => {
                        nothing(format!("{slot} cannot be empty: name a set of `pylon guest list --history`"))
                    }
                    Some(to) => nothing(format!("{slot} had no guest in revision {to}: see `pylon guest list --history`")),
                })
            }
            SlotChange::Install { .. } => Err(nothing("a guest that comes anew is none of before".into())),
        }
    }

    pub(super) fn standby(&self, slot: Slot, purpose: PendingKind) -> Option<Record> {
        let name = slot.to_string();
        let found =
            self.standbys.iter().find(|standby| standby.slot == name && standby.kind == purpose);
        found.map(|standby| standby.guest.clone())
    }

    /// Is somebody there once these changes are made, or will be with the next start?
    pub(super) fn is_served(&self, changes: &[Installation], slot: Slot) -> bool {
        let name = slot.to_string();
        let mut rows = changes.iter().rev().chain(self.history.iter().rev());
        shipped::fills(slot)
            || rows.find(|row| row.slot == name).is_some_and(|row| row.guest.is_some())
    }

    /// Shadows, each with its slot.
    pub(super) fn shadows(&self) -> impl Iterator<Item = (Slot, &Record)> {
        let shadows = self.standbys.iter().filter(|standby| standby.kind == PendingKind::Shadow);
        shadows.filter_map(|standby| Some((standby.slot.parse().ok()?, &standby.guest)))
    }

    /// Once these changes are made, nobody is asked what these shadows could be asked, too: they go.
    pub(super) fn left_alone(
        &self,
        changes: &[Installation],
        action: &str,
        at: UnixTime,
    ) -> Vec<Row> {
        let alone = self.shadows().filter(|(slot, _)| !self.is_served(changes, *slot));
        alone
            .flat_map(|(slot, shadow)| {
                dismissed(action, slot, shadow, "is beside nobody: the slot is empty", at)
            })
            .collect()
    }

    /// Who serves there, if it is still the one that came with this set.
    pub(super) fn seated(&self, seat: Alarm) -> Option<&Record> {
        let row = *history::at(&self.history, history::newest(&self.history)).get(&seat.slot)?;
        row.guest.as_ref().filter(|_| row.revision == seat.revision)
    }

    /// Who stands beside the slots after these.
    pub(super) fn remember(&mut self, rows: &[Row]) {
        for row in rows {
            match row {
                Row::PutPending(new) => {
                    self.standbys.retain(|one| (&one.slot, one.kind) != (&new.slot, new.kind));
                    self.standbys.push(PendingGuest::clone(new));
                }
                Row::RemovePending(slot, purpose) => {
                    self.standbys.retain(|one| (&one.slot, one.kind) != (slot, *purpose))
                }
                _ => {}
            }
        }
    }
}

pub(super) async fn commit(journal: &dyn Journal, rows: Vec<Row>) -> Result<(), JournalError> {
    if rows.is_empty() { Ok(()) } else { journal.commit(rows.into()).await }
}

//! What an operator does to the slots.

use super::state::State;
use super::{Workshop, refuse};
use crate::history;
use crate::record::{audit, installed};
use crate::source::Found;
use crate::steps::{Ready, Refused, Stop, Wish};
use pylon_core::UnixTime;
use pylon_core::installation::{PendingGuest, PendingKind};
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::rows::Row;
use pylon_core::slots::{REMOVED, SlotChange, SlotStatus};
use pylon_sandbox::{Role, Slot};
use std::sync::Arc;

impl Workshop {
    /// Does it, or leaves everything as it was. Either is written down.
    pub async fn carry_out(
        &self,
        deed: &SlotChange,
        journal: &dyn Journal,
        now: UnixTime,
    ) -> Result<SlotStatus, Stop> {
        let slot: Slot =
            deed.slot().parse().map_err(|error| Stop::new("slot", format!("{error}")))?;
        let found = match deed {
            SlotChange::Install { guest, .. } => {
                let config = self.state.lock().await.config.clone();
                Some(self.bench(&config).find(slot, guest).await)
            }
            _ => None,
        };
        let found = found.as_ref();
        let (mut state, next) = self
            .prepared(|seen| async move { self.ready(&seen, deed, slot, found, now).await })
            .await;
        let next = match next {
            Ok(next) => next,
            Err(refused) => {
                return Err(
                    refuse(&mut state, deed.word(), slot, refused, Some(journal), now).await
                );
            }
        };
        if let (SlotChange::Install { shadow: true, .. }, Some(Ready { guest, record })) =
            (deed, &next)
        {
            let (name, record) = (slot.to_string(), record.clone());
            let standby = PendingGuest {
                slot: name,
                kind: PendingKind::Shadow,
                guest: record,
                extra_grants: Vec::new(),
                since: now,
            };
            let audit = audit(deed.word(), slot, &standby.guest, now);
            let rows =
                vec![Row::PutPending(Box::new(standby.clone())), Row::Audit(Box::new(audit))];
            self.write(&mut state, journal, rows).await.map_err(unwritten)?;
            self.watch.shadow(slot, Some(Arc::clone(guest)));
            // Its release may end, too.
            self.tell(&state);
            return Ok(SlotStatus::beside(&standby, Some(0)));
        }
        let (guest, record) = next.map(|ready| (ready.guest, ready.record)).unzip();
        let row = state.row(slot, record, deed.word(), now);
        let left = || {
            Some(SlotStatus {
                standing: REMOVED.into(),
                revision: Some(row.revision),
                ..state.serving(slot)?
            })
        };
        let seated = SlotStatus::serving(&row, None).or_else(left);
        let mut rows = installed(std::slice::from_ref(&row), deed.word());
        rows.extend(
            matches!(deed, SlotChange::Activate { .. })
                .then(|| Row::RemovePending(slot.to_string(), PendingKind::Shadow)),
        );
        rows.extend(state.left_alone(std::slice::from_ref(&row), deed.word(), now));
        self.write(&mut state, journal, rows).await.map_err(unwritten)?;
        self.put(&mut state, &[(slot, guest)], vec![row])
            .map_err(|error| Stop::new("slot", error.to_string()))?;
        seated.ok_or_else(|| Stop::new("slot", "nothing is there"))
    }

    /// Who is to come there; nobody empties the slot.
    async fn ready(
        &self,
        state: &State,
        deed: &SlotChange,
        slot: Slot,
        found: Option<&Result<Found, Stop>>,
        now: UnixTime,
    ) -> Result<Option<Ready>, Refused> {
        let bench = self.bench(&state.config);
        let record = match (deed, found) {
            (SlotChange::Install { shadow: true, .. }, _) if slot.role() == Role::Handler => {
                let why = format!(
                    "{slot} does work, and work is not done twice: only policies have a shadow"
                );
                return Err(Stop::new("shadow", why).into());
            }
            (SlotChange::Install { shadow: true, .. }, _) if !state.is_served(&[], slot) => {
                let why = format!(
                    "nobody serves in {slot}, and a shadow is asked what another is asked: install it there"
                );
                return Err(Stop::new("shadow", why).into());
            }
            (SlotChange::Install { guest, .. }, Some(found)) => {
                let serving = history::guests_at(&state.history, history::newest(&state.history));
                return bench
                    .prepare(Wish { slot, guest, had: serving.get(&slot).copied() }, found, now)
                    .await
                    .map(Some);
            }
            _ => state.named(deed, slot)?,
        };
        let Some(record) = record else { return Ok(None) };
        match bench.back(slot, &record, now).await {
            Ok(guest) => Ok(Some(Ready { guest, record })),
            Err(error) => Err(Refused::gone(&record, &error)),
        }
    }
}

fn unwritten(error: JournalError) -> Stop {
    Stop::new("journal", error.to_string())
}

//! What an operator does to the slots, and what happens to a guest that fails.

use super::state::{State, commit};
use super::{Workshop, refuse};
use crate::guests::deed::{Deed, REMOVED, Seated};
use crate::guests::record::{audit, installed};
use crate::guests::source::Found;
use crate::guests::steps::{Ready, Refused, Stop, Wish};
use crate::guests::watch::Alarm;
use crate::guests::{history, rollback};
use crate::units::moment;
use pylon_core::UnixTime;
use pylon_core::ports::installations::{Audit, Purpose, Standby};
use pylon_core::ports::journal::{Journal, JournalError, Row};
use pylon_sandbox::{Role, Slot};
use std::sync::Arc;

/// That a guest fails and stays is told again after this.
const TOLD_AGAIN_SECONDS: u64 = 3600;

impl Workshop {
    /// Does it, or leaves everything as it was. Either is written down.
    pub async fn carry_out(&self, deed: &Deed, journal: &dyn Journal, now: UnixTime) -> Result<Seated, Stop> {
        let slot: Slot = deed.slot().parse().map_err(|error| Stop::new("slot", format!("{error}")))?;
        let found = match deed {
            Deed::Install { guest, .. } => {
                let config = self.state.lock().await.config.clone();
                Some(self.bench(&config).find(slot, guest).await)
            }
            _ => None,
        };
        let (mut state, next) = self.prepared(async |seen: &State| self.ready(seen, deed, slot, found.as_ref(), now).await).await;
        let next = match next {
            Ok(next) => next,
            Err(refused) => return Err(refuse(&mut state, deed.word(), slot, refused, Some(journal), now).await),
        };
        if let (Deed::Install { shadow: true, .. }, Some(Ready { guest, record })) = (deed, &next) {
            let (name, record) = (slot.to_string(), record.clone());
            let standby = Standby { slot: name, purpose: Purpose::Shadow, guest: record, beyond: Vec::new(), since: now };
            let audit = audit(deed.word(), slot, &standby.guest, now);
            let rows = vec![Row::Stand(Box::new(standby.clone())), Row::Audit(Box::new(audit))];
            state.write(journal, rows).await.map_err(unwritten)?;
            self.watch.shadow(slot, Some(Arc::clone(guest)));
            return Ok(Seated::beside(&standby, Some(0)));
        }
        let (guest, record) = next.map(|ready| (ready.guest, ready.record)).unzip();
        let row = state.row(slot, record, deed.word(), now);
        let left = || Some(Seated { standing: REMOVED.into(), generation: Some(row.generation), ..state.serving(slot)? });
        let seated = Seated::serving(&row, None).or_else(left);
        let mut rows = installed(std::slice::from_ref(&row), deed.word());
        let is_shadow = matches!(deed, Deed::Activate { .. });
        rows.extend(is_shadow.then(|| Row::Leave(slot.to_string(), Purpose::Shadow)));
        state.write(journal, rows).await.map_err(unwritten)?;
        if is_shadow {
            self.watch.shadow(slot, None);
        }
        self.put(&mut state, &[(slot, guest)], vec![row]).map_err(|error| Stop::new("slot", error.to_string()))?;
        seated.ok_or_else(|| Stop::new("slot", "nothing is there"))
    }

    /// The guest of a slot has failed too often: what was there before comes back, unless that has just happened. Another guest may be there by now.
    pub async fn take_out(&self, alarm: Alarm, journal: &dyn Journal, now: UnixTime) {
        let Alarm { slot, generation } = alarm;
        let mut state = self.state.lock().await;
        let serving = history::at(&state.history, history::newest(&state.history)).get(&slot).copied().cloned();
        let Some(failing) = serving.filter(|row| row.generation == generation).and_then(|row| row.guest) else { return };
        let what = format!("{} {}", failing.name, failing.version);
        let done = match self.before(&state, slot, now).await {
            Err(stop) => {
                let is_told = state
                    .told
                    .get(&slot)
                    .is_some_and(|(of, code, at)| (*of, *code) == (generation, stop.code) && now.since(*at) < TOLD_AGAIN_SECONDS);
                if is_told {
                    return;
                }
                state.told.insert(slot, (generation, stop.code, now));
                let detail = format!("{what} stays: {}", stop.why);
                tracing::warn!(%slot, why = detail, "a guest fails again and again, and stays");
                let told = Audit { outcome: stop.code.into(), detail, ..audit(rollback::ROLLBACK, slot, &failing, now) };
                commit(journal, vec![Row::Audit(Box::new(told))]).await.map_err(anyhow::Error::from)
            }
            Ok(next) => {
                let (guest, record) = next.map(|ready| (ready.guest, ready.record)).unzip();
                let row = state.row(slot, record, rollback::BY_ITSELF, now);
                let traps = format!("{what} gave no answer {} times in {} calls", rollback::TRAPS, rollback::CALLS);
                let mut rows = installed(std::slice::from_ref(&row), rollback::ROLLBACK);
                rows.iter_mut().for_each(|row| {
                    if let Row::Audit(audit) = row {
                        audit.detail.clone_from(&traps)
                    }
                });
                match state.write(journal, rows).await {
                    Ok(()) => {
                        tracing::warn!(%slot, generation = row.generation, traps, "rolled back by itself");
                        self.put(&mut state, &[(slot, guest)], vec![row])
                    }
                    Err(error) => Err(error.into()),
                }
            }
        };
        if let Err(error) = done {
            tracing::error!(%slot, error = format!("{error:#}"), "a guest that fails was not taken out");
        }
    }

    /// Who comes back into a slot by itself now, or why nobody does.
    async fn before(&self, state: &State, slot: Slot, now: UnixTime) -> Result<Option<Ready>, Stop> {
        if let Some(until) = rollback::rests_until(&state.history, slot).filter(|until| *until > now) {
            return Err(Stop::new("wait", format!("the slot went back lately, and does not before {} UTC", moment(until))));
        }
        let before = rollback::target(&state.history, slot, None);
        let before = before.ok_or_else(|| Stop::new("nothing", rollback::nobody(&state.history, slot)))?;
        let Some(record) = before.cloned() else { return Ok(None) };
        let guest = self.bench(&state.config).back(slot, &record, now).await;
        guest.map(|guest| Some(Ready { guest, record })).map_err(|error| Stop::new("gone", format!("{error:#}")))
    }

    /// Who is to come there; nobody empties the slot.
    async fn ready(
        &self,
        state: &State,
        deed: &Deed,
        slot: Slot,
        found: Option<&Result<Found, Stop>>,
        now: UnixTime,
    ) -> Result<Option<Ready>, Refused> {
        let bench = self.bench(&state.config);
        let record = match (deed, found) {
            (Deed::Install { shadow: true, .. }, _) if slot.role() == Role::Handler => {
                let why = format!("{slot} does work, and work is not done twice: only policies have a shadow");
                return Err(Stop::new("shadow", why).into());
            }
            (Deed::Install { guest, .. }, Some(found)) => {
                let serving = history::guests_at(&state.history, history::newest(&state.history));
                return bench.prepare(Wish { slot, guest, had: serving.get(&slot).copied() }, found, now).await.map(Some);
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

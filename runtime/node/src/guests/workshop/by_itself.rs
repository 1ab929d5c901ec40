//! What happens to a slot without an operator: a guest that fails too often goes, and whoever was there before comes back.

use super::Workshop;
use super::state::{State, commit};
use crate::config::Guest;
use crate::guests::record::{GONE, audit, installed, refusal};
use crate::guests::rollback;
use crate::guests::shipped;
use crate::guests::steps::{Ready, Stop, Wish};
use crate::guests::watch::Alarm;
use crate::units::moment;
use anyhow::Result;
use pylon_core::UnixTime;
use pylon_core::ports::installations::{Audit, Installed as Record};
use pylon_core::ports::journal::{Journal, Row};
use pylon_sandbox::Slot;

/// That a guest fails and stays is told again after this.
const TOLD_AGAIN_SECONDS: u64 = 3600;

/// Who comes into a slot by itself; nobody empties it.
struct Instead {
    next: Result<Option<Ready>, Stop>,
    /// The record of those who would have come before, and cannot be had.
    refused: Vec<Row>,
}

impl Workshop {
    /// The guest of a slot has failed too often: what was there before comes back, unless that has just happened. Another guest may be there by now.
    pub async fn take_out(&self, alarm: Alarm, journal: &dyn Journal, now: UnixTime) {
        let slot = alarm.slot;
        let (mut state, instead) = self
            .prepared(|seen| async move {
                let failing = seen.seated(alarm)?;
                Some((failing.clone(), self.instead(&seen, slot, failing, now).await))
            })
            .await;
        let Some((failing, Instead { next, refused })) = instead else { return };
        let done = match next {
            Ok(next) => self.give_way(&mut state, slot, &failing, next, refused, journal, now).await,
            Err(stop) => stay(&mut state, alarm, &failing, &stop, refused, journal, now).await,
        };
        if let Err(error) = done {
            tracing::error!(%slot, error = format!("{error:#}"), "a guest that fails was not taken out");
        }
    }

    /// Who comes back into a slot by itself now, or why nobody does.
    async fn instead(&self, state: &State, slot: Slot, failing: &Record, now: UnixTime) -> Instead {
        let mut refused = Vec::new();
        if let Some(until) = rollback::rests_until(&state.history, slot).filter(|until| *until > now) {
            let stop = Stop::new("wait", format!("the slot went back lately, and does not before {} UTC", moment(until)));
            return Instead { next: Err(stop), refused };
        }
        for before in rollback::earlier(&state.history, slot) {
            let Some(record) = before else { return Instead { next: Ok(None), refused } };
            match self.bench(&state.config).back(slot, record, now).await {
                Ok(guest) => return Instead { next: Ok(Some(Ready { guest, record: record.clone() })), refused },
                Err(error) => {
                    let detail = format!("does not come back: {error:#}");
                    let told = Audit { outcome: GONE.into(), detail, ..audit(rollback::ROLLBACK, slot, record, now) };
                    refused.push(Row::Audit(Box::new(told)));
                }
            }
        }
        if refused.is_empty() {
            return Instead { next: Err(Stop::new("nothing", rollback::nobody(&state.history, slot))), refused };
        }
        let next = self.ours(state, slot, failing, &mut refused, now).await;
        Instead { next: next.map(Some).ok_or_else(|| Stop::new(GONE, "nobody who was there before can be had")), refused }
    }

    /// What comes with this program for a slot that must be filled, if that is another than the one that fails.
    async fn ours(&self, state: &State, slot: Slot, failing: &Record, refused: &mut Vec<Row>, now: UnixTime) -> Option<Ready> {
        let (bench, guest) = (self.bench(&state.config), Guest::default());
        let found = if shipped::fills(slot) { bench.find(slot, &guest).await } else { return None };
        let is_other = |record: &Record| record.digest != failing.digest;
        match bench.prepare(Wish { slot, guest: &guest, had: None }, &found, now).await {
            Ok(ready) => Some(ready).filter(|ready| is_other(&ready.record)),
            Err(error) => {
                refused.extend(refusal(rollback::ROLLBACK, slot, error, now).1);
                None
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what was found, and where it is written")]
    async fn give_way(
        &self,
        state: &mut State,
        slot: Slot,
        failing: &Record,
        next: Option<Ready>,
        refused: Vec<Row>,
        journal: &dyn Journal,
        now: UnixTime,
    ) -> Result<()> {
        let (guest, record) = next.map(|ready| (ready.guest, ready.record)).unzip();
        let row = state.row(slot, record, rollback::BY_ITSELF, now);
        let (name, version) = (&failing.name, &failing.version);
        let traps = format!("{name} {version} gave no answer {} times in {} calls", rollback::TRAPS, rollback::CALLS);
        let mut rows = installed(std::slice::from_ref(&row), rollback::ROLLBACK);
        rows.iter_mut().for_each(|row| {
            if let Row::Audit(audit) = row {
                audit.detail.clone_from(&traps)
            }
        });
        let alone = state.left_alone(std::slice::from_ref(&row), rollback::ROLLBACK, now);
        self.write(state, journal, refused.into_iter().chain(rows).chain(alone).collect()).await?;
        tracing::warn!(%slot, generation = row.generation, traps, "rolled back by itself");
        self.put(state, &[(slot, guest)], vec![row])
    }
}

/// What cannot be helped is told once in a while.
async fn stay(
    state: &mut State,
    alarm: Alarm,
    failing: &Record,
    stop: &Stop,
    mut rows: Vec<Row>,
    journal: &dyn Journal,
    now: UnixTime,
) -> Result<()> {
    let Alarm { slot, generation } = alarm;
    let told = state.told.get(&slot);
    if told.is_some_and(|(of, code, at)| (*of, *code) == (generation, stop.code) && now.since(*at) < TOLD_AGAIN_SECONDS) {
        return Ok(());
    }
    state.told.insert(slot, (generation, stop.code, now));
    let detail = format!("{} {} stays: {}", failing.name, failing.version, stop.why);
    tracing::warn!(%slot, why = detail, "a guest fails again and again, and stays");
    let told = Audit { outcome: stop.code.into(), detail, ..audit(rollback::ROLLBACK, slot, failing, now) };
    rows.push(Row::Audit(Box::new(told)));
    Ok(commit(journal, rows).await?)
}

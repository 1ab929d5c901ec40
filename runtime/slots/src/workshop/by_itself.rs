//! What happens to a slot without an operator: a guest that fails too often goes, or one whose release is over, and whoever was there before comes back.

use super::Workshop;
use super::state::{State, commit};
use crate::record::{GONE, audit, installed, refusal};
use crate::rollback;
use crate::shipped;
use crate::steps::{Ready, Stop, Wish};
use crate::watch::Alarm;
use anyhow::Result;
use pylon_core::UnixTime;
use pylon_core::installation::{Audit, Installation, InstalledGuest as Record};
use pylon_core::ports::journal::Journal;
use pylon_core::rows::Row;
use pylon_core::slots::GuestConfig;
use pylon_core::units::format_utc;
use pylon_sandbox::{Installed, Slot};
use std::sync::Arc;

/// That a guest fails and stays is told again after this.
const TOLD_AGAIN_SECONDS: u64 = 3600;

/// Why a guest goes.
pub(super) enum Cause {
    /// It has failed too often.
    Traps,
    /// It may not serve on, and why not.
    Over(&'static str),
}

impl Cause {
    /// In the history.
    const fn word(&self) -> &'static str {
        match self {
            Self::Traps => rollback::BY_ITSELF,
            Self::Over(_) => rollback::OVER,
        }
    }

    /// Of this guest, in a line.
    fn says(&self, guest: &Record) -> String {
        let what = format!("{} {}", guest.name, guest.version);
        match self {
            Self::Traps => format!(
                "{what} gave no answer {} times in {} calls",
                rollback::TRAPS,
                rollback::CALLS
            ),
            Self::Over(why) => format!("the release of {what} does not hold any more: {why}"),
        }
    }
}

/// Who comes into a slot by itself; nobody empties it.
struct Instead {
    next: Result<Option<Ready>, Stop>,
    /// The record of those who would have come before, and cannot be had.
    refused: Vec<Row>,
}

impl Workshop {
    /// The guest of a slot has failed too often: what was there before comes back, unless that has just happened. Another guest may be there by now.
    pub async fn take_out(&self, alarm: Alarm, journal: &dyn Journal, now: UnixTime) {
        self.replace(alarm, &Cause::Traps, journal, now).await;
    }

    /// This one goes, if somebody else can be had or the slot can be empty.
    pub(super) async fn replace(
        &self,
        seat: Alarm,
        cause: &Cause,
        journal: &dyn Journal,
        now: UnixTime,
    ) {
        let slot = seat.slot;
        let (mut state, instead) = self
            .prepared(|seen| async move {
                let present = seen.seated(seat)?;
                Some((present.clone(), self.instead(&seen, slot, present, cause, now).await))
            })
            .await;
        let Some((present, Instead { next, refused })) = instead else { return };
        let done = match next {
            Ok(next) => {
                let (guest, record) = next.map(|ready| (ready.guest, ready.record)).unzip();
                let row = state.row(slot, record, cause.word(), now);
                self.give_way(&mut state, (row, guest), &cause.says(&present), refused, journal)
                    .await
            }
            Err(stop) => {
                stay(&mut state, seat, (&present, cause), &stop, refused, journal, now).await
            }
        };
        if let Err(error) = done {
            tracing::error!(%slot, error = format!("{error:#}"), "a guest that should go was not taken out");
        }
    }

    /// Who comes back into a slot by itself now, or why nobody does.
    async fn instead(
        &self,
        state: &State,
        slot: Slot,
        present: &Record,
        cause: &Cause,
        now: UnixTime,
    ) -> Instead {
        let mut refused = Vec::new();
        let rests = rollback::rests_until(&state.history, slot).filter(|until| *until > now);
        if let (Some(until), Cause::Traps) = (rests, cause) {
            let stop = Stop::new(
                "wait",
                format!("the slot went back lately, and does not before {} UTC", format_utc(until)),
            );
            return Instead { next: Err(stop), refused };
        }
        for before in rollback::earlier(&state.history, slot) {
            let Some(record) = before else { return Instead { next: Ok(None), refused } };
            match self.bench(&state.config).back(slot, record, now).await {
                Ok(guest) => {
                    return Instead {
                        next: Ok(Some(Ready { guest, record: record.clone() })),
                        refused,
                    };
                }
                Err(error) => {
                    let detail = format!("does not come back: {error:#}");
                    let told = Audit {
                        outcome: GONE.into(),
                        detail,
                        ..audit(rollback::ROLLBACK, slot, record, now)
                    };
                    refused.push(Row::Audit(Box::new(told)));
                }
            }
        }
        if refused.is_empty() && matches!(cause, Cause::Traps) {
            return Instead {
                next: Err(Stop::new("nothing", rollback::nobody(&state.history, slot))),
                refused,
            };
        }
        let next = match self.ours(state, slot, present, &mut refused, now).await {
            Some(ours) => Ok(Some(ours)),
            // What may not serve is worse than nobody.
            None if matches!(cause, Cause::Over(_)) && !shipped::fills(slot) => Ok(None),
            None => Err(Stop::new(GONE, "nobody who was there before can be had")),
        };
        Instead { next, refused }
    }

    /// What comes with this program for a slot that must be filled, if that is another than the one that goes.
    async fn ours(
        &self,
        state: &State,
        slot: Slot,
        present: &Record,
        refused: &mut Vec<Row>,
        now: UnixTime,
    ) -> Option<Ready> {
        let (bench, guest) = (self.bench(&state.config), GuestConfig::default());
        let found =
            if shipped::fills(slot) { bench.find(slot, &guest).await } else { return None };
        let is_other = |record: &Record| record.digest != present.digest;
        match bench.prepare(Wish { slot, guest: &guest, had: None }, &found, now).await {
            Ok(ready) => Some(ready).filter(|ready| is_other(&ready.record)),
            Err(error) => {
                refused.extend(refusal(rollback::ROLLBACK, slot, error, now).1);
                None
            }
        }
    }

    async fn give_way(
        &self,
        state: &mut State,
        (row, guest): (Installation, Option<Arc<Installed>>),
        says: &str,
        refused: Vec<Row>,
        journal: &dyn Journal,
    ) -> Result<()> {
        let slot: Slot = row.slot.parse()?;
        let mut rows = installed(std::slice::from_ref(&row), rollback::ROLLBACK);
        rows.iter_mut().for_each(|row| {
            if let Row::Audit(audit) = row {
                says.clone_into(&mut audit.detail);
            }
        });
        let alone = state.left_alone(std::slice::from_ref(&row), rollback::ROLLBACK, row.at);
        self.write(state, journal, refused.into_iter().chain(rows).chain(alone).collect()).await?;
        tracing::warn!(%slot, revision = row.revision, why = says, "rolled back by itself");
        self.put(state, &[(slot, guest)], vec![row])
    }
}

/// What cannot be helped is told once in a while.
async fn stay(
    state: &mut State,
    seat: Alarm,
    (present, cause): (&Record, &Cause),
    stop: &Stop,
    mut rows: Vec<Row>,
    journal: &dyn Journal,
    now: UnixTime,
) -> Result<()> {
    let Alarm { slot, revision } = seat;
    let told = state.told.get(&slot);
    if told.is_some_and(|(of, code, at)| {
        (*of, *code) == (revision, stop.code) && now.since(*at) < TOLD_AGAIN_SECONDS
    }) {
        return Ok(());
    }
    state.told.insert(slot, (revision, stop.code, now));
    let detail = format!("{} {} stays: {}", present.name, present.version, stop.why);
    match cause {
        Cause::Traps => {
            tracing::warn!(%slot, why = detail, "a guest fails again and again, and stays")
        }
        Cause::Over(why) => {
            tracing::error!(%slot, over = why, why = detail, "a guest whose release is over stays")
        }
    }
    let told = Audit {
        outcome: stop.code.into(),
        detail,
        ..audit(rollback::ROLLBACK, slot, present, now)
    };
    rows.push(Row::Audit(Box::new(told)));
    Ok(commit(journal, rows).await?)
}

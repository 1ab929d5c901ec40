//! What is seen of the guests at work, off the way of any job: it counts their calls, hands the questions on to shadows, and raises the alarm when a
//! guest fails too often.

use super::shadow::Question;
use super::tally::Tally;
use pylon_core::Digest;
use pylon_core::ports::decision_observer::DecisionObserver;
use pylon_core::rows::{DecisionContext, DecisionRow};
use pylon_core::slots::StatsSnapshot;
use pylon_sandbox::{Installed, Role, Slot};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// A guest has failed too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Where.
    pub slot: Slot,
    /// The set of guests that it came with: by the time that somebody hears of it, another one may be there.
    pub revision: u64,
}

/// Alarms that are not heard yet: a slot raises no second one before it has been counted anew.
const ALARMS: usize = 16;
/// Questions that shadows have not answered yet; what finds no room is not asked.
const QUESTIONS: usize = 256;

/// Sees every decision.
pub(crate) struct Watch {
    seats: Mutex<Seats>,
    alarms: mpsc::Sender<Alarm>,
    questions: mpsc::Sender<Question>,
}

/// What the watch has to say, for those who act on it.
pub struct Reports {
    pub(crate) alarms: mpsc::Receiver<Alarm>,
    pub(crate) questions: mpsc::Receiver<Question>,
}

#[derive(Default)]
struct Seats {
    serving: BTreeMap<Slot, Seat>,
    shadows: BTreeMap<Slot, Shadow>,
}

/// Who serves in a slot.
struct Seat {
    digest: Digest,
    /// The set of guests that it came with.
    since: u64,
    tally: Tally,
}

/// Who is asked beside it.
struct Shadow {
    guest: Arc<Installed>,
    missed: u64,
}

impl Watch {
    pub(super) fn new() -> (Arc<Self>, Reports) {
        let ((alarms, heard), (questions, asked)) =
            (mpsc::channel(ALARMS), mpsc::channel(QUESTIONS));
        let watch = Self { seats: Mutex::default(), alarms, questions };
        (Arc::new(watch), Reports { alarms: heard, questions: asked })
    }

    /// These serve now, each since its set of guests. Who served before is counted on.
    pub(super) fn serve(&self, guests: impl Iterator<Item = (Slot, Digest, u64)>) {
        let mut seats = self.lock();
        let mut before = std::mem::take(&mut seats.serving);
        seats.serving = guests
            .map(|(slot, digest, since)| {
                let same = before.remove(&slot).filter(|seat| seat.since == since);
                (slot, same.unwrap_or_else(|| Seat { digest, since, tally: Tally::default() }))
            })
            .collect();
    }

    /// This one is asked beside the one that serves; `None`: nobody is.
    pub(super) fn shadow(&self, slot: Slot, guest: Option<Arc<Installed>>) {
        let mut seats = self.lock();
        match guest {
            Some(guest) => drop(seats.shadows.insert(slot, Shadow { guest, missed: 0 })),
            None => drop(seats.shadows.remove(&slot)),
        }
    }

    /// How the guest in this slot does.
    pub(super) fn figures(&self, slot: Slot) -> Option<StatsSnapshot> {
        self.lock().serving.get(&slot).map(|seat| seat.tally.figures())
    }

    /// Questions that the shadow of this slot was not asked because others had to be answered first.
    pub(super) fn missed(&self, slot: Slot) -> u64 {
        self.lock().shadows.get(&slot).map_or(0, |shadow| shadow.missed)
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DecisionObserver for Watch {
    fn on_decision(&self, decision: &DecisionRow, about: DecisionContext<'_>) {
        let roles = [Role::Routing, Role::Pricing, Role::Verification, Role::Handler];
        let Some(role) = roles.into_iter().find(|role| role.name() == decision.guest.slot) else {
            return;
        };
        let mut seats = self.lock();
        let slots = [Slot::of_kind(role, about.job.kind), Slot::policy(role)];
        let Some(slot) = slots.into_iter().flatten().find(|slot| seats.serving.contains_key(slot))
        else {
            return;
        };
        // Older generations are on their way out, and no word on this one: the component may be the same and its settings others.
        let is_of = |seat: &&mut Seat| {
            seat.digest == decision.guest.digest && decision.revision >= seat.since
        };
        let Some(seat) = seats.serving.get_mut(&slot).filter(is_of) else { return };
        if seat.tally.count(decision) {
            // One that waits for an answer is alarm enough.
            let _ = self.alarms.try_send(Alarm { slot, revision: seat.since });
        }
        if let Some(shadow) = seats.shadows.get_mut(&slot)
            && let Some(question) = Question::of(slot, &shadow.guest, decision, about)
            && self.questions.try_send(question).is_err()
        {
            shadow.missed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::tests::decision;
    use pylon_core::Job;
    use pylon_core::guest::Fault;

    /// Goal: what a guest did under other settings says nothing of the same component now. Method: calls that fail in the set before, then in this one.
    #[test]
    fn an_older_set_is_another_guest() {
        let (watch, mut reports) = Watch::new();
        watch.serve(std::iter::once(("pricing".parse().unwrap(), Digest::of(b"a"), 6)));
        let job = Arc::new(Job::placeholder(5050));
        let mut fails = |revision: u64| {
            for _ in 0..5 {
                let failed = DecisionRow { revision, ..decision(Err(Fault::Trap), 1) };
                watch.on_decision(&failed, DecisionContext { job: &job, plan: None, output: None });
            }
            reports.alarms.try_recv().map(|alarm| alarm.revision).ok()
        };
        assert_eq!((fails(5), fails(6)), (None, Some(6)));
    }
}

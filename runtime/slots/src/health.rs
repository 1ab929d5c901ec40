//! Watches the decisions of the serving guests, without delaying any job: counts their calls, hands
//! questions to shadows, and raises an alert when a guest fails too often.

use crate::call_stats::CallStats;
use crate::shadow::ShadowQuestion;
use pylon_core::Digest;
use pylon_core::ports::decision_observer::DecisionObserver;
use pylon_core::rows::{DecisionContext, DecisionRow};
use pylon_core::slots::StatsSnapshot;
use pylon_core::sync::lock;
use pylon_sandbox::{Installed, Role, Slot};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::mpsc;

/// Queued alerts. A full queue is no loss: a slot raises its next alert after more failures.
const ALERTS_MAX: usize = 16;
/// Queued questions to shadows; if the queue is full, questions are skipped.
const QUESTIONS_MAX: usize = 256;

/// A guest fails too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultAlert {
    /// Which slot.
    pub slot: Slot,
    /// The revision that the guest came with. When the alert is handled, another guest may serve.
    pub revision: u64,
}

/// What the monitor reports to the supervisor.
pub struct HealthEvents {
    pub(crate) alerts: mpsc::Receiver<FaultAlert>,
    pub(crate) questions: mpsc::Receiver<ShadowQuestion>,
}

/// Observes every decision.
pub(crate) struct HealthMonitor {
    watched: Mutex<Watched>,
    alerts: mpsc::Sender<FaultAlert>,
    questions: mpsc::Sender<ShadowQuestion>,
}

#[derive(Default)]
struct Watched {
    serving: BTreeMap<Slot, SlotHealth>,
    shadows: BTreeMap<Slot, Shadow>,
}

/// The serving guest of a slot.
struct SlotHealth {
    digest: Digest,
    /// The revision that it came with.
    since: u64,
    stats: CallStats,
}

struct Shadow {
    guest: Arc<Installed>,
    skipped: u64,
}

impl HealthMonitor {
    pub(crate) fn new() -> (Arc<Self>, HealthEvents) {
        let (alerts, alert_queue) = mpsc::channel(ALERTS_MAX);
        let (questions, question_queue) = mpsc::channel(QUESTIONS_MAX);
        let monitor = Self { watched: Mutex::default(), alerts, questions };
        (Arc::new(monitor), HealthEvents { alerts: alert_queue, questions: question_queue })
    }

    /// Sets the serving guests, each with the revision that it came with. Statistics of unchanged
    /// slots are kept.
    pub(crate) fn set_serving(&self, guests: impl Iterator<Item = (Slot, Digest, u64)>) {
        let mut watched = self.lock();
        let mut before = std::mem::take(&mut watched.serving);
        watched.serving = guests
            .map(|(slot, digest, since)| {
                let same = before.remove(&slot).filter(|health| health.since == since);
                let new = || SlotHealth { digest, since, stats: CallStats::default() };
                (slot, same.unwrap_or_else(new))
            })
            .collect();
    }

    /// Sets or removes the shadow of a slot.
    pub(crate) fn set_shadow(&self, slot: Slot, guest: Option<Arc<Installed>>) {
        let mut watched = self.lock();
        match guest {
            Some(guest) => drop(watched.shadows.insert(slot, Shadow { guest, skipped: 0 })),
            None => drop(watched.shadows.remove(&slot)),
        }
    }

    /// Statistics of the serving guest.
    pub(crate) fn stats(&self, slot: Slot) -> Option<StatsSnapshot> {
        self.lock().serving.get(&slot).map(|health| health.stats.snapshot())
    }

    /// Number of questions that the shadow was not asked because the queue was full.
    pub(crate) fn skipped(&self, slot: Slot) -> u64 {
        self.lock().shadows.get(&slot).map_or(0, |shadow| shadow.skipped)
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        lock(&self.watched)
    }
}

impl DecisionObserver for HealthMonitor {
    fn on_decision(&self, decision: &DecisionRow, context: DecisionContext<'_>) {
        let mut roles = Role::ALL.into_iter();
        let Some(role) = roles.find(|role| role.name() == decision.guest.slot) else {
            return;
        };
        let mut watched = self.lock();
        let slots = [Slot::of_kind(role, context.job.kind), Slot::policy(role)];
        let Some(slot) =
            slots.into_iter().flatten().find(|slot| watched.serving.contains_key(slot))
        else {
            return;
        };
        // Earlier revisions are not counted: the same component may have had other settings.
        let is_of = |health: &&mut SlotHealth| {
            health.digest == decision.guest.digest && decision.revision >= health.since
        };
        let Some(health) = watched.serving.get_mut(&slot).filter(is_of) else { return };
        if health.stats.count(decision) {
            // If the queue is full, the next failures raise another alert.
            let _ = self.alerts.try_send(FaultAlert { slot, revision: health.since });
        }
        if let Some(shadow) = watched.shadows.get_mut(&slot)
            && let Some(question) = ShadowQuestion::new(slot, &shadow.guest, decision, context)
            && self.questions.try_send(question).is_err()
        {
            shadow.skipped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call_stats::tests::decision;
    use pylon_core::Job;
    use pylon_core::guest::Fault;

    /// Goal: failures under other settings do not count against the same component. Method: calls
    /// that fail in the previous revision, then in this one.
    #[test]
    fn failures_of_an_earlier_revision_do_not_count() {
        let (monitor, mut events) = HealthMonitor::new();
        monitor.set_serving(std::iter::once(("pricing".parse().unwrap(), Digest::of(b"a"), 6)));
        let job = Arc::new(Job::placeholder(5050));
        let mut fails = |revision: u64| {
            for _ in 0..5 {
                let failed = DecisionRow { revision, ..decision(Err(Fault::Trap), 1) };
                monitor
                    .on_decision(&failed, DecisionContext { job: &job, plan: None, output: None });
            }
            events.alerts.try_recv().map(|alert| alert.revision).ok()
        };
        assert_eq!((fails(5), fails(6)), (None, Some(6)));
    }
}

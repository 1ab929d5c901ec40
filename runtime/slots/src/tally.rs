//! How a guest does in its slot since it is there: bounded, in memory, for the operator and for the rollback.

use super::rollback::{CALLS, TRAPS};
use pylon_core::guest::{Cost, Fault};
use pylon_core::rows::DecisionRow;
use pylon_core::slots::StatsSnapshot;
use std::collections::VecDeque;

/// Calls of which times and costs are kept, the latest.
const KEPT: usize = 512;

/// What was seen of it.
#[derive(Default)]
pub(super) struct Tally {
    calls: u64,
    traps: u64,
    micros: VecDeque<u64>,
    costs: VecDeque<u64>,
    is_fuel: bool,
    /// Which of the latest calls gave no answer.
    failed: VecDeque<bool>,
}

impl Tally {
    /// One more. Were they too many by now that gave no answer? Then it begins to count anew.
    pub(super) fn count(&mut self, decision: &DecisionRow) -> bool {
        // A handler that is slow may wait for a backend that is: no fault of its own.
        let failed = decision.output.as_ref().is_err_and(|fault| *fault != Fault::Wall);
        let (cost, is_fuel) = match decision.cost {
            Cost::Fuel(units) => (units, true),
            Cost::CpuUs(micros) => (micros, false),
        };
        self.calls += 1;
        self.traps += u64::from(failed);
        self.is_fuel = is_fuel;
        push(&mut self.micros, decision.wall_us, KEPT);
        push(&mut self.costs, cost, KEPT);
        push(&mut self.failed, failed, CALLS);
        let too_many = self.failed.iter().filter(|failed| **failed).count() >= TRAPS;
        if too_many {
            self.failed.clear();
        }
        too_many
    }

    pub(super) fn figures(&self) -> StatsSnapshot {
        let cost = rank(&self.costs, 50);
        StatsSnapshot {
            calls: self.calls,
            traps: self.traps,
            p50_us: rank(&self.micros, 50),
            p99_us: rank(&self.micros, 99),
            fuel: cost.filter(|_| self.is_fuel),
            cpu_us: cost.filter(|_| !self.is_fuel),
        }
    }
}

fn push<T>(kept: &mut VecDeque<T>, value: T, most: usize) {
    if kept.len() >= most {
        kept.pop_front();
    }
    kept.push_back(value);
}

/// The value that so many of a hundred do not pass.
fn rank(values: &VecDeque<u64>, percent: usize) -> Option<u64> {
    let mut sorted: Vec<_> = values.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use pylon_core::guest::{GuestFunction, GuestRef};
    use pylon_core::{Digest, JobId, UnixTime};

    pub(crate) fn decision(output: Result<String, Fault>, micros: u64) -> DecisionRow {
        DecisionRow {
            job: JobId::from_bytes([1; 32]),
            guest: GuestRef {
                slot: "pricing".into(),
                name: "a".into(),
                version: "1".into(),
                digest: Digest::of(b"a"),
            },
            revision: 1,
            engine: "e".into(),
            function: GuestFunction::Quote,
            attempt: 0,
            input: String::new(),
            output,
            cost: Cost::Fuel(micros * 10),
            wall_us: micros,
            at: UnixTime::new(1),
        }
    }

    /// Goal: five of the latest twenty are too many, four are not, and time that a backend took is nobody's fault. Method: calls, good and bad.
    #[test]
    fn too_many_traps() {
        let mut tally = Tally::default();
        let mut call = |good: bool, fault| {
            tally.count(&decision(if good { Ok(String::new()) } else { Err(fault) }, 1))
        };
        assert!(!(0..100).any(|number| call(number % 5 != 0, Fault::Trap)), "four of twenty");
        assert!(!(0..100).any(|_| call(false, Fault::Wall)));
        assert_eq!(
            (0..5).map(|_| call(false, Fault::Fuel)).collect::<Vec<_>>(),
            [false, false, false, false, true]
        );
        assert!(!call(false, Fault::Trap), "it begins anew");
        assert_eq!((tally.figures().calls, tally.figures().traps), (206, 26));
    }

    /// Goal: figures of the latest calls in bounded memory. Method: more calls than are kept.
    #[test]
    fn the_latest_calls() {
        assert_eq!(Tally::default().figures(), StatsSnapshot::default());
        let mut tally = Tally::default();
        for micros in (0..1000).chain(1..=512) {
            tally.count(&decision(Ok(String::new()), micros));
        }
        let figures = tally.figures();
        assert_eq!(
            (figures.p50_us, figures.p99_us, figures.fuel, figures.cpu_us),
            (Some(256), Some(507), Some(2560), None)
        );
        assert_eq!(tally.micros.len(), KEPT);
    }
}

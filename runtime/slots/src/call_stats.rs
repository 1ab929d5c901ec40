//! Statistics of a guest's calls since its installation: bounded, in memory, for the operator and
//! for the automatic rollback.

use pylon_core::guest::{Cost, Fault};
use pylon_core::rows::DecisionRow;
use pylon_core::slots::StatsSnapshot;
use std::collections::VecDeque;

/// A guest is rolled back after this many failed calls of the latest [`FAULT_WINDOW`]: more than
/// the bad luck of a request that no guest can answer, and early enough that few customers notice.
pub(crate) const FAULTS_MAX: usize = 5;
/// Number of latest calls in which failures are counted.
pub(crate) const FAULT_WINDOW: usize = 20;
/// Number of latest calls whose time and cost are kept.
const SAMPLES_MAX: usize = 512;

/// The calls of one guest.
#[derive(Default)]
pub(crate) struct CallStats {
    calls: u64,
    traps: u64,
    wall_us: VecDeque<u64>,
    costs: VecDeque<u64>,
    is_fuel: bool,
    /// Of the latest calls, which failed.
    failed: VecDeque<bool>,
}

impl CallStats {
    /// Counts one call. True if too many of the latest calls failed; these are then counted from
    /// zero.
    pub(crate) fn count(&mut self, decision: &DecisionRow) -> bool {
        // A handler that exceeds its wall time may have waited for a slow backend.
        let failed = decision.output.as_ref().is_err_and(|fault| *fault != Fault::Wall);
        let (cost, is_fuel) = match decision.cost {
            Cost::Fuel(units) => (units, true),
            Cost::CpuUs(us) => (us, false),
        };
        self.calls += 1;
        self.traps += u64::from(failed);
        self.is_fuel = is_fuel;
        push(&mut self.wall_us, decision.wall_us, SAMPLES_MAX);
        push(&mut self.costs, cost, SAMPLES_MAX);
        push(&mut self.failed, failed, FAULT_WINDOW);
        let too_many = self.failed.iter().filter(|failed| **failed).count() >= FAULTS_MAX;
        if too_many {
            self.failed.clear();
        }
        too_many
    }

    pub(crate) fn snapshot(&self) -> StatsSnapshot {
        let cost = percentile(&self.costs, 50);
        StatsSnapshot {
            calls: self.calls,
            traps: self.traps,
            p50_us: percentile(&self.wall_us, 50),
            p99_us: percentile(&self.wall_us, 99),
            fuel: cost.filter(|_| self.is_fuel),
            cpu_us: cost.filter(|_| !self.is_fuel),
        }
    }
}

fn push<T>(latest: &mut VecDeque<T>, value: T, count_max: usize) {
    if latest.len() >= count_max {
        latest.pop_front();
    }
    latest.push_back(value);
}

fn percentile(values: &VecDeque<u64>, percent: usize) -> Option<u64> {
    let mut sorted: Vec<_> = values.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use pylon_core::guest::{GuestFunction, GuestRef};
    use pylon_core::{Digest, JobId, UnixTime};

    pub(crate) fn decision(output: Result<String, Fault>, wall_us: u64) -> DecisionRow {
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
            cost: Cost::Fuel(wall_us * 10),
            wall_us,
            at: UnixTime::new(1),
        }
    }

    /// Goal: five failures in the latest twenty calls are too many, four are not, and a wall
    /// timeout does not count. Method: calls that succeed and calls that fail.
    #[test]
    fn failures_are_counted_in_a_window() {
        let mut stats = CallStats::default();
        let mut call = |good: bool, fault| {
            stats.count(&decision(if good { Ok(String::new()) } else { Err(fault) }, 1))
        };
        assert!(!(0..100).any(|number| call(number % 5 != 0, Fault::Trap)), "four of twenty");
        assert!(!(0..100).any(|_| call(false, Fault::Wall)));
        assert_eq!(
            (0..5).map(|_| call(false, Fault::Fuel)).collect::<Vec<_>>(),
            [false, false, false, false, true]
        );
        assert!(!call(false, Fault::Trap), "counted from zero");
        assert_eq!((stats.snapshot().calls, stats.snapshot().traps), (206, 26));
    }

    /// Goal: statistics of the latest calls need bounded memory. Method: more calls than are kept.
    #[test]
    fn latest_calls_are_kept() {
        assert_eq!(CallStats::default().snapshot(), StatsSnapshot::default());
        let mut stats = CallStats::default();
        for wall_us in (0..1000).chain(1..=512) {
            stats.count(&decision(Ok(String::new()), wall_us));
        }
        let snapshot = stats.snapshot();
        assert_eq!(
            (snapshot.p50_us, snapshot.p99_us, snapshot.fuel, snapshot.cpu_us),
            (Some(256), Some(507), Some(2560), None)
        );
        assert_eq!(stats.wall_us.len(), SAMPLES_MAX);
    }
}

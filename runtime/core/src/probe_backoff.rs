//! When to probe the backends again. A backend that disappears is noticed by the next request; one
//! that appears, or serves other models, only by a probe.

use std::time::Duration;

/// After a change.
const INTERVAL_MIN: Duration = Duration::from_secs(60);
/// However long nothing has changed.
const INTERVAL_MAX: Duration = Duration::from_secs(480);
/// While a backend is missing.
const INTERVAL_MISSING: Duration = Duration::from_secs(15);

/// The result of probing all backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// All are available and serve the same models.
    Same,
    /// All are available, and one of them is new or serves other models.
    Changed,
    /// One is unavailable.
    Missing,
}

/// The interval between probes.
#[derive(Clone, Copy, Debug)]
pub struct ProbeBackoff {
    interval: Duration,
}

impl Default for ProbeBackoff {
    fn default() -> Self {
        Self { interval: INTERVAL_MIN }
    }
}

impl ProbeBackoff {
    /// The time until the next probe. It doubles while nothing changes.
    pub fn next_interval(&mut self, outcome: ProbeOutcome) -> Duration {
        self.interval = match outcome {
            ProbeOutcome::Same => (self.interval * 2).clamp(INTERVAL_MIN, INTERVAL_MAX),
            ProbeOutcome::Changed => INTERVAL_MIN,
            ProbeOutcome::Missing => INTERVAL_MISSING,
        };
        self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProbeOutcome::{Changed, Missing, Same};

    /// Goal: probes become rare while nothing changes, and stay frequent while a backend is
    /// missing. Method: sequences of outcomes with the intervals in seconds.
    #[test]
    fn interval_doubles_until_something_changes() {
        let check = |outcomes: &[ProbeOutcome], intervals: &[u64]| {
            let mut backoff = ProbeBackoff::default();
            let found: Vec<_> =
                outcomes.iter().map(|outcome| backoff.next_interval(*outcome).as_secs()).collect();
            assert_eq!(found, intervals, "{outcomes:?}");
        };
        check(&[Changed, Same, Same, Same, Same, Same], &[60, 120, 240, 480, 480, 480]);
        check(&[Same], &[120]);
        check(&[Changed, Same, Changed, Same], &[60, 120, 60, 120]);
        check(&[Missing, Missing, Missing, Changed, Same], &[15, 15, 15, 60, 120]);
        check(&[Changed, Same, Same, Missing, Same], &[60, 120, 240, 15, 60]);
    }
}

//! Notices when the clock of this machine is set, by comparison with the monotonic clock.

use super::clock_evidence::ClockEvidence;
use pylon_core::UnixTime;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// Smaller changes are within the overlap of two subscriptions.
const STEP_SECONDS_MIN: u64 = 60;

/// Two readings of the clock, at known times.
struct Reading {
    at: Instant,
    clock: UnixTime,
}

impl Reading {
    /// By how many seconds the clock was set between two readings, if it was.
    fn step(&self, next: &Self) -> Option<i64> {
        let expected = self.clock.plus((next.at - self.at).as_secs());
        let is_step = next.clock.get().abs_diff(expected.get()) >= STEP_SECONDS_MIN;
        let seconds = |time: UnixTime| i64::try_from(time.get()).unwrap_or(i64::MAX);
        is_step.then(|| seconds(next.clock).saturating_sub(seconds(expected)))
    }
}

/// Reads the clock at this interval and notifies of every change, until there is no receiver. The
/// value is the number of seconds by which the clock was set back so far.
pub(super) fn start(clock: Arc<ClockEvidence>, interval: Duration) -> watch::Receiver<u64> {
    let (steps, receiver) = watch::channel(0);
    tokio::spawn(run(clock, interval, steps));
    receiver
}

async fn run(clock: Arc<ClockEvidence>, interval: Duration, steps: watch::Sender<u64>) {
    let read = || Reading { at: Instant::now(), clock: clock.now() };
    let mut last = read();
    loop {
        tokio::select! {
            () = steps.closed() => return,
            () = sleep(interval) => {}
        }
        let next = read();
        if let Some(seconds) = last.step(&next) {
            tracing::warn!(seconds, "the clock of this machine was set, subscribing again");
            clock.clock_was_set(seconds);
            let back = if seconds < 0 { seconds.unsigned_abs() } else { 0 };
            steps.send_modify(|total| *total = total.saturating_add(back));
        }
        last = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a clock that is set is noticed in both directions, and one that runs, or is corrected
    /// slightly, is not. Method: pairs of readings.
    #[test]
    fn a_clock_that_was_set_is_noticed() {
        let begun = Instant::now();
        let read = |after, clock| Reading {
            at: begun + Duration::from_secs(after),
            clock: UnixTime::new(clock),
        };
        for (after, clock, step) in [
            (0, 10_000, None),
            (5, 10_005, None),
            (5, 10_064, None),
            (5, 10_065, Some(60)),
            (5, 9945, Some(-60)),
            (3600, 13_600, None),
            (5, 2805, Some(-7200)),
            (5, 0, Some(-10_005)),
            (5, u64::MAX, Some(i64::MAX - 10_005)),
        ] {
            assert_eq!(read(0, 10_000).step(&read(after, clock)), step, "{after} {clock}");
        }
    }
}

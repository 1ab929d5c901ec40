//! The CPU time of one handler: that of its thread, taken around each poll, so that neither waiting nor a busy machine counts.

use crate::ticker::Ticker;
use rustix::time::{ClockId, clock_gettime};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts in nanoseconds. Written and read by the thread that polls, shared only because the engine's callback must own its part.
#[derive(Default)]
pub(crate) struct Meter {
    spent: AtomicU64,
    entered: AtomicU64,
}

impl Meter {
    /// Awaits `work`, timing each poll, with the epoch running meanwhile.
    pub(crate) async fn time<T>(
        &self,
        ticker: &Ticker,
        mut work: impl Future<Output = T> + Unpin,
    ) -> T {
        poll_fn(|context| {
            self.entered.store(thread_nanos(), Ordering::Relaxed);
            ticker.enter();
            let polled = Pin::new(&mut work).poll(context);
            ticker.leave();
            self.spent.store(self.during_poll(), Ordering::Relaxed);
            polled
        })
        .await
    }

    /// From inside a poll: is it over the limit now?
    pub(crate) fn is_over(&self, limit: Duration) -> bool {
        u128::from(self.during_poll()) > limit.as_nanos()
    }

    /// All polls that have ended.
    pub(crate) fn micros(&self) -> u64 {
        self.spent.load(Ordering::Relaxed) / 1000
    }

    fn during_poll(&self) -> u64 {
        let poll = thread_nanos().saturating_sub(self.entered.load(Ordering::Relaxed));
        self.spent.load(Ordering::Relaxed).saturating_add(poll)
    }
}

fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    u64::try_from(nanos).unwrap_or(0)
}

//! CPU time of one handler call, measured as the CPU time of the thread during each poll. Waiting
//! and other load on the machine do not count.

use crate::epoch_ticker::EpochTicker;
use rustix::time::{ClockId, clock_gettime};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// In nanoseconds. Only the polling thread reads and writes these; they are atomic because the
/// epoch callback needs shared ownership.
#[derive(Default)]
pub(crate) struct CpuMeter {
    spent: AtomicU64,
    poll_started: AtomicU64,
}

impl CpuMeter {
    /// Awaits `work` and measures each poll. The epoch advances during polls.
    pub(crate) async fn time<T>(
        &self,
        ticker: &EpochTicker,
        mut work: impl Future<Output = T> + Unpin,
    ) -> T {
        poll_fn(|context| {
            self.poll_started.store(thread_nanos(), Ordering::Relaxed);
            ticker.enter();
            let polled = Pin::new(&mut work).poll(context);
            ticker.leave();
            self.spent.store(self.including_poll(), Ordering::Relaxed);
            polled
        })
        .await
    }

    /// Whether the limit is exceeded now, during a poll.
    pub(crate) fn is_over(&self, limit: Duration) -> bool {
        u128::from(self.including_poll()) > limit.as_nanos()
    }

    /// CPU time of all finished polls in microseconds.
    pub(crate) fn cpu_us(&self) -> u64 {
        self.spent.load(Ordering::Relaxed) / 1000
    }

    fn including_poll(&self) -> u64 {
        let poll = thread_nanos().saturating_sub(self.poll_started.load(Ordering::Relaxed));
        self.spent.load(Ordering::Relaxed).saturating_add(poll)
    }
}

fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    u64::try_from(nanos).unwrap_or(0)
}

//! CPU time of one handler call, measured as the CPU time of the thread during each poll. Waiting,
//! other load on the machine, and the host's own work do not count.

use crate::epoch_ticker::EpochTicker;
use rustix::time::{ClockId, clock_gettime};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// In nanoseconds. Only the polling thread reads and writes these; they are atomic because the
/// epoch callback needs shared ownership.
#[derive(Default)]
pub(crate) struct CpuMeter {
    spent: AtomicU64,
    /// When the guest began or continued to run.
    since: AtomicU64,
    /// The guest waits for the host, perhaps for many polls, which cost it nothing.
    is_waiting: AtomicBool,
}

impl CpuMeter {
    /// Awaits `work` and measures each poll. The epoch advances during polls.
    pub(crate) async fn time<T>(
        &self,
        ticker: &EpochTicker,
        mut work: impl Future<Output = T> + Unpin,
    ) -> T {
        poll_fn(|context| {
            if !self.is_waiting.load(Ordering::Relaxed) {
                self.resume();
            }
            ticker.enter();
            let polled = Pin::new(&mut work).poll(context);
            ticker.leave();
            if !self.is_waiting.load(Ordering::Relaxed) {
                self.pause();
            }
            polled
        })
        .await
    }

    /// Awaits work of the host for the guest, which does not count.
    pub(crate) async fn exclude<T>(&self, work: impl Future<Output = T>) -> T {
        self.pause();
        self.is_waiting.store(true, Ordering::Relaxed);
        let done = work.await;
        self.is_waiting.store(false, Ordering::Relaxed);
        self.resume();
        done
    }

    /// Whether the limit is exceeded now, during a poll.
    pub(crate) fn is_over(&self, limit: Duration) -> bool {
        u128::from(self.including_poll()) > limit.as_nanos()
    }

    /// CPU time of all finished polls in microseconds.
    pub(crate) fn cpu_us(&self) -> u64 {
        self.spent.load(Ordering::Relaxed) / 1000
    }

    fn resume(&self) {
        self.since.store(thread_nanos(), Ordering::Relaxed);
    }

    fn pause(&self) {
        self.spent.store(self.including_poll(), Ordering::Relaxed);
    }

    fn including_poll(&self) -> u64 {
        let running = thread_nanos().saturating_sub(self.since.load(Ordering::Relaxed));
        self.spent.load(Ordering::Relaxed).saturating_add(running)
    }
}

fn thread_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    u64::try_from(nanos).unwrap_or(0)
}

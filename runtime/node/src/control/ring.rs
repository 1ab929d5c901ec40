//! The latest events, for those who ask and those who follow. Who is too slow misses some and is told how many.

use pylon_provider::{Bus, Observation};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::AbortHandle;

/// Lines that are kept.
const LINES_MAX: usize = 1000;
/// Their bytes.
const BYTES_MAX: usize = 1 << 20;
/// Lines that one who follows may be behind.
const BEHIND_MAX: usize = 256;

/// One event as a line of JSON.
pub(super) type Line = Arc<str>;

/// The latest events.
pub struct Ring {
    kept: Arc<Kept>,
    task: AbortHandle,
}

struct Kept {
    lines: Mutex<Lines>,
    new: broadcast::Sender<Line>,
}

#[derive(Default)]
struct Lines {
    lines: VecDeque<Line>,
    bytes: usize,
}

impl Ring {
    /// Keeps what the bus says from now on.
    pub fn listen(bus: &Bus) -> Self {
        let kept =
            Arc::new(Kept { lines: Mutex::default(), new: broadcast::channel(BEHIND_MAX).0 });
        let mut seen = bus.listen();
        let keeper = Arc::clone(&kept);
        let task = tokio::spawn(async move {
            loop {
                match seen.recv().await {
                    Ok(Observation::Event(event)) => {
                        keeper.keep(serde_json::to_string(&event).unwrap_or_default().into())
                    }
                    Ok(Observation::Step(..)) => {}
                    Err(RecvError::Lagged(count)) => keeper.keep(missed(count)),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Self { kept, task: task.abort_handle() }
    }

    /// The latest, the oldest of them first.
    pub fn latest(&self, limit: usize) -> Vec<Line> {
        self.kept.lock().latest(limit)
    }

    /// The latest, and all that come after them: none twice and none left out.
    pub fn follow(&self, limit: usize) -> (Vec<Line>, broadcast::Receiver<Line>) {
        let lines = self.kept.lock();
        (lines.latest(limit), self.kept.new.subscribe())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, line: Line) {
        let mut lines = self.lock();
        lines.bytes += line.len();
        lines.lines.push_back(Arc::clone(&line));
        while lines.lines.len() > LINES_MAX || lines.bytes > BYTES_MAX {
            let Some(oldest) = lines.lines.pop_front() else { break };
            lines.bytes -= oldest.len();
        }
        // Nobody may be following.
        let _ = self.new.send(line);
    }
}

impl Lines {
    fn latest(&self, limit: usize) -> Vec<Line> {
        self.lines.iter().skip(self.lines.len().saturating_sub(limit)).cloned().collect()
    }
}

/// In the place of lines that somebody was too slow for.
pub(super) fn missed(count: u64) -> Line {
    format!("{{\"missed\":{count}}}").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::UnixTime;
    use pylon_core::event::DomainEvent;

    fn event(number: usize, bytes: usize) -> DomainEvent {
        let backend_id = format!("{number}-{}", "x".repeat(bytes));
        DomainEvent::BackendAvailable { backend_id, timestamp: UnixTime::new(1) }
    }

    /// Goal: what is kept has a bound, in lines and in bytes, and the newest stay. Method: more small ones, then large ones.
    #[tokio::test]
    async fn the_newest_within_bounds() {
        let bus = Bus::default();
        let ring = Ring::listen(&bus);
        let (_, mut new) = ring.follow(0);
        for number in 0..1100 {
            bus.announce(event(number, 1));
            new.recv().await.unwrap();
        }
        let latest = ring.latest(usize::MAX);
        assert_eq!(latest.len(), LINES_MAX);
        assert!(latest.last().unwrap().contains("\"1099-x\""), "{:?}", latest.last());
        assert_eq!(ring.latest(3).len(), 3);
        for number in 0..20 {
            bus.announce(event(number, BYTES_MAX / 10));
            new.recv().await.unwrap();
        }
        assert_eq!(ring.latest(usize::MAX).len(), 9, "nine of them and their names fit");
    }

    /// Goal: nothing twice and nothing left out for who follows. Method: some before, some after.
    #[tokio::test]
    async fn who_follows_sees_each_once() {
        let bus = Bus::default();
        let ring = Ring::listen(&bus);
        let (_, mut observer) = ring.follow(0);
        bus.announce(event(1, 0));
        observer.recv().await.unwrap();
        let (before, mut after) = ring.follow(10);
        bus.announce(event(2, 0));
        assert_eq!(before.len(), 1);
        assert!(after.recv().await.unwrap().contains("\"2-\""));
    }
}

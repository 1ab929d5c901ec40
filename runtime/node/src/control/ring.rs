//! The latest events, for queries and followers. A slow follower loses events and gets
//! their number.

use pylon_core::sync::lock;
use pylon_provider::{Bus, NodeEvent};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::AbortHandle;

/// Stored lines.
const LINES_MAX: usize = 1000;
/// Bytes of the stored lines.
const BYTES_MAX: usize = 1 << 20;
/// Lines that a follower may be behind.
const BEHIND_MAX: usize = 256;

/// One event as a line of JSON.
pub(super) type EventLine = Arc<str>;

/// The latest events.
pub struct Ring {
    buffer: Arc<Buffer>,
    task: AbortHandle,
}

struct Buffer {
    lines: Mutex<Lines>,
    new: broadcast::Sender<EventLine>,
}

#[derive(Default)]
struct Lines {
    lines: VecDeque<EventLine>,
    bytes: usize,
}

impl Ring {
    /// Stores the events of the bus from now on.
    pub fn listen(bus: &Bus) -> Self {
        let buffer =
            Arc::new(Buffer { lines: Mutex::default(), new: broadcast::channel(BEHIND_MAX).0 });
        let mut events = bus.listen();
        let writer = Arc::clone(&buffer);
        let task = tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(NodeEvent::Domain(event)) => {
                        writer.push(serde_json::to_string(&event).unwrap_or_default().into())
                    }
                    Ok(NodeEvent::Step(..)) => {}
                    Err(RecvError::Lagged(count)) => writer.push(skipped(count)),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Self { buffer, task: task.abort_handle() }
    }

    /// The latest events, oldest first.
    pub fn latest(&self, limit: usize) -> Vec<EventLine> {
        self.buffer.lock().latest(limit)
    }

    /// The latest events and a receiver of all later ones, without gaps and duplicates.
    pub fn follow(&self, limit: usize) -> (Vec<EventLine>, broadcast::Receiver<EventLine>) {
        let lines = self.buffer.lock();
        (lines.latest(limit), self.buffer.new.subscribe())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        lock(&self.lines)
    }

    fn push(&self, line: EventLine) {
        let mut lines = self.lock();
        lines.bytes += line.len();
        lines.lines.push_back(Arc::clone(&line));
        while lines.lines.len() > LINES_MAX || lines.bytes > BYTES_MAX {
            let Some(oldest) = lines.lines.pop_front() else { break };
            lines.bytes -= oldest.len();
        }
        // An error means that there is no follower.
        let _ = self.new.send(line);
    }
}

impl Lines {
    fn latest(&self, limit: usize) -> Vec<EventLine> {
        self.lines.iter().skip(self.lines.len().saturating_sub(limit)).cloned().collect()
    }
}

/// Replaces the lines that a slow follower has lost.
pub(super) fn skipped(count: u64) -> EventLine {
    format!("{{\"skipped\":{count}}}").into()
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

    /// Goal: the buffer is limited in lines and bytes, and the newest events stay. Method: many
    /// small events, then large ones.
    #[tokio::test]
    async fn newest_events_stay_within_the_limits() {
        let bus = Bus::default();
        let ring = Ring::listen(&bus);
        let (_, mut new) = ring.follow(0);
        for number in 0..1100 {
            bus.emit(event(number, 1));
            new.recv().await.unwrap();
        }
        let latest = ring.latest(usize::MAX);
        assert_eq!(latest.len(), LINES_MAX);
        assert!(latest.last().unwrap().contains("\"1099-x\""), "{:?}", latest.last());
        assert_eq!(ring.latest(3).len(), 3);
        for number in 0..20 {
            bus.emit(event(number, BYTES_MAX / 10));
            new.recv().await.unwrap();
        }
        assert_eq!(ring.latest(usize::MAX).len(), 9, "nine of them fit");
    }

    /// Goal: a follower gets every event once. Method: events before and after it subscribes.
    #[tokio::test]
    async fn follower_gets_each_event_once() {
        let bus = Bus::default();
        let ring = Ring::listen(&bus);
        let (_, mut stored) = ring.follow(0);
        bus.emit(event(1, 0));
        stored.recv().await.unwrap();
        let (before, mut after) = ring.follow(10);
        bus.emit(event(2, 0));
        assert_eq!(before.len(), 1);
        assert!(after.recv().await.unwrap().contains("\"2-\""));
    }
}

//! Events for observers. A slow observer loses some and never delays a job; nothing that must be
//! stored depends on them.

use pylon_core::JobId;
use pylon_core::event::DomainEvent;
use pylon_core::guest::{Call, GuestFunction};
use std::time::Duration;
use tokio::sync::broadcast;

/// Events an observer may be behind before it loses some.
const CAPACITY: usize = 1024;

/// Something that happened in the node.
#[derive(Clone, Debug)]
pub enum NodeEvent {
    /// A domain event.
    Domain(DomainEvent),
    /// A step of this job, for observers that follow it.
    Step(JobId, JobStep),
}

/// A step of one job.
#[derive(Clone, Debug)]
pub enum JobStep {
    /// The node did something itself.
    Native {
        /// What.
        what: &'static str,
        /// Wall time in microseconds.
        wall_us: u64,
    },
    /// A guest was called.
    Guest {
        /// The function of its world.
        function: GuestFunction,
        /// The guest, and what the call cost.
        call: Call,
        /// The answer in a few words, or the limit that was exceeded.
        summary: String,
    },
    /// The work has ended.
    Finished {
        /// The node's own time in microseconds: without backends, relays, wallet and queues.
        node_us: u64,
    },
}

/// Where observers subscribe.
#[derive(Clone, Debug)]
pub struct Bus(broadcast::Sender<NodeEvent>);

impl Default for Bus {
    fn default() -> Self {
        Self(broadcast::channel(CAPACITY).0)
    }
}

impl Bus {
    /// Everything from now on.
    pub fn listen(&self) -> broadcast::Receiver<NodeEvent> {
        self.0.subscribe()
    }

    /// Logs an event and sends it to all observers.
    pub fn emit(&self, event: DomainEvent) {
        if tracing::enabled!(tracing::Level::INFO) {
            let line = serde_json::to_string(&event).unwrap_or_default();
            tracing::info!("{line}");
        }
        let _ = self.0.send(NodeEvent::Domain(event));
    }

    /// Sends a step to all observers. It is built only if there are any.
    pub(crate) fn emit_step(&self, job: JobId, step: impl FnOnce() -> JobStep) {
        if self.0.receiver_count() > 0 {
            let _ = self.0.send(NodeEvent::Step(job, step()));
        }
    }
}

/// Whole microseconds.
pub(crate) fn whole_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

//! What observers are told. A slow one loses lines and never delays a job; nothing that must be stored hangs on it.

use pylon_core::JobId;
use pylon_core::event::DomainEvent;
use pylon_core::guest::{Call, GuestFunction};
use tokio::sync::broadcast;

/// Lines an observer may be behind before it loses some.
const CAPACITY: usize = 1024;

/// Something to see.
#[derive(Clone, Debug)]
pub enum Observation {
    /// For everybody.
    Event(DomainEvent),
    /// For those who follow one job.
    Step(JobId, Step),
}

/// A step on the way of one job.
#[derive(Clone, Debug)]
pub enum Step {
    /// The node did something itself.
    Native {
        /// What.
        what: &'static str,
        /// How long it took.
        micros: u64,
    },
    /// A guest was called.
    Guest {
        /// Which function of its world.
        function: GuestFunction,
        /// Who, and what it took.
        call: Call,
        /// Its answer in a few words, or the limit it broke.
        said: String,
    },
    /// The work is over.
    Over {
        /// What the node itself took: neither backend nor relay nor wallet nor waiting.
        node_micros: u64,
    },
}

/// The place where observers listen.
#[derive(Clone, Debug)]
pub struct Bus(broadcast::Sender<Observation>);

impl Default for Bus {
    fn default() -> Self {
        Self(broadcast::channel(CAPACITY).0)
    }
}

impl Bus {
    /// Everything from now on.
    pub fn listen(&self) -> broadcast::Receiver<Observation> {
        self.0.subscribe()
    }

    /// Logs an event and tells it to those who listen.
    pub fn announce(&self, event: DomainEvent) {
        if tracing::enabled!(tracing::Level::INFO) {
            let line = serde_json::to_string(&event).unwrap_or_default();
            tracing::info!("{line}");
        }
        let _ = self.0.send(Observation::Event(event));
    }

    /// Tells a step to those who listen; made only if somebody does.
    pub(super) fn step(&self, job: JobId, step: impl FnOnce() -> Step) {
        if self.0.receiver_count() > 0 {
            let _ = self.0.send(Observation::Step(job, step()));
        }
    }
}

//! A delivery to a job task: an event, and rows for the same commit.

use crate::scheduler::WorkerPermit;
use pylon_core::machine::Event;
use pylon_core::rows::Row;
use tokio::sync::oneshot;

/// An event of a job, with rows that are committed with it.
pub(crate) struct Envelope {
    pub(crate) event: Event,
    pub(crate) rows: Vec<Row>,
    /// Notified after the commit; dropped if nothing is committed.
    pub(crate) ack: Option<oneshot::Sender<()>>,
    /// The worker that became free for a job without a task.
    pub(crate) permit: Option<WorkerPermit>,
}

impl Envelope {
    pub(crate) fn with(event: Event, rows: Vec<Row>) -> Self {
        Self { event, rows, ack: None, permit: None }
    }
}

impl From<Event> for Envelope {
    fn from(event: Event) -> Self {
        Self::with(event, Vec::new())
    }
}

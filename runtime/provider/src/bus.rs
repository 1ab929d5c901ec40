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
        log(&event);
        let _ = self.0.send(NodeEvent::Domain(event));
    }

    /// Sends a step to all observers. It is built only if there are any.
    pub(crate) fn emit_step(&self, job: JobId, step: impl FnOnce() -> JobStep) {
        if self.0.receiver_count() > 0 {
            let _ = self.0.send(NodeEvent::Step(job, step()));
        }
    }
}

/// The name of the event with its fields.
fn log(event: &DomainEvent) {
    match event {
        DomainEvent::JobReceived { job_id, kind, customer_pubkey, .. } => {
            tracing::info!(%job_id, kind, %customer_pubkey, "JobReceived");
        }
        DomainEvent::JobStarted { job_id, model, .. } => {
            tracing::info!(%job_id, model, "JobStarted");
        }
        DomainEvent::JobProgress { job_id, progress, .. } => {
            tracing::info!(%job_id, progress, "JobProgress");
        }
        DomainEvent::JobCompleted { job_id, amount_msats, duration_ms, .. } => {
            tracing::info!(%job_id, amount_msats = amount_msats.get(), duration_ms, "JobCompleted");
        }
        DomainEvent::JobFailed { job_id, error, .. } => {
            tracing::info!(%job_id, error, "JobFailed");
        }
        DomainEvent::PaymentReceived { job_id, amount_msats, .. } => {
            tracing::info!(%job_id, amount_msats = amount_msats.get(), "PaymentReceived");
        }
        DomainEvent::InvoiceCreated { job_id, bolt11, amount_msats, .. } => {
            tracing::info!(%job_id, amount_msats = amount_msats.get(), bolt11, "InvoiceCreated");
        }
        DomainEvent::RelayConnected { url, .. } => tracing::info!(url, "RelayConnected"),
        DomainEvent::RelayDisconnected { url, reason, .. } => {
            tracing::info!(url, reason, "RelayDisconnected");
        }
        DomainEvent::BackendAvailable { backend_id, .. } => {
            tracing::info!(backend_id, "BackendAvailable");
        }
        DomainEvent::BackendUnavailable { backend_id, .. } => {
            tracing::info!(backend_id, "BackendUnavailable");
        }
        DomainEvent::BackendsRegistered { backend_ids, .. } => {
            tracing::info!(backend_ids = backend_ids.join(", "), "BackendsRegistered");
        }
        DomainEvent::ModelsRefreshed { backend_id, models, .. } => {
            tracing::info!(backend_id, models = models.join(", "), "ModelsRefreshed");
        }
    }
}

/// Whole microseconds.
pub(crate) fn whole_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

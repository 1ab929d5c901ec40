//! Domain events, for observers of the node. Nothing that must be stored depends on them.

use crate::{JobId, Msat, PublicKey, UnixTime};
use serde::Serialize;

/// A domain event. Names and fields are stable.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event")]
#[allow(missing_docs, reason = "the fields say what they are, and each case is one sentence")]
pub enum DomainEvent {
    /// A job was admitted.
    JobReceived { job_id: JobId, kind: u16, customer_pubkey: PublicKey, timestamp: UnixTime },
    /// An attempt began.
    JobStarted { job_id: JobId, model: String, timestamp: UnixTime },
    /// Between 0 and 1, as the handler reports.
    JobProgress { job_id: JobId, progress: f32, timestamp: UnixTime },
    /// The result is in the outbox.
    JobCompleted { job_id: JobId, amount_msats: Msat, duration_ms: u64, timestamp: UnixTime },
    /// There will be no result.
    JobFailed { job_id: JobId, error: String, timestamp: UnixTime },
    /// The wallet reports a payment.
    PaymentReceived { job_id: JobId, amount_msats: Msat, timestamp: UnixTime },
    /// An invoice was created.
    InvoiceCreated { job_id: JobId, bolt11: String, amount_msats: Msat, timestamp: UnixTime },
    /// A relay is connected.
    RelayConnected { url: String, timestamp: UnixTime },
    /// A relay is disconnected.
    RelayDisconnected { url: String, reason: Option<String>, timestamp: UnixTime },
    /// A backend is available.
    BackendAvailable { backend_id: String, timestamp: UnixTime },
    /// A backend is unavailable.
    BackendUnavailable { backend_id: String, timestamp: UnixTime },
    /// The backends at the start of the node.
    BackendsRegistered { backend_ids: Vec<String>, timestamp: UnixTime },
    /// The models of a backend changed.
    ModelsRefreshed { backend_id: String, models: Vec<String>, timestamp: UnixTime },
}

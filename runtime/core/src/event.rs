//! The domain events: what observers of the node are told. Nothing that must be stored hangs on them.

use crate::{JobId, Msat, PublicKey, UnixTime};
use serde::Serialize;

/// Something that happened. Names and fields are stable.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event")]
#[allow(missing_docs, reason = "the fields say what they are, and each case is one sentence")]
pub enum DomainEvent {
    /// A job was taken.
    JobReceived { job_id: JobId, kind: u16, customer_pubkey: PublicKey, timestamp: UnixTime },
    /// Work began.
    JobStarted { job_id: JobId, model: String, timestamp: UnixTime },
    /// Between 0 and 1, as the handler reports.
    JobProgress { job_id: JobId, progress: f32, timestamp: UnixTime },
    /// The result is on its way.
    JobCompleted { job_id: JobId, amount_msats: Msat, duration_ms: u64, timestamp: UnixTime },
    /// There will be no result.
    JobFailed { job_id: JobId, error: String, timestamp: UnixTime },
    /// The wallet says so.
    PaymentReceived { job_id: JobId, amount_msats: Msat, timestamp: UnixTime },
    /// The customer can pay.
    InvoiceCreated { job_id: JobId, bolt11: String, amount_msats: Msat, timestamp: UnixTime },
    /// Events can arrive.
    RelayConnected { url: String, timestamp: UnixTime },
    /// Events cannot arrive.
    RelayDisconnected { url: String, reason: Option<String>, timestamp: UnixTime },
    /// Work can be done.
    BackendAvailable { backend_id: String, timestamp: UnixTime },
    /// Work cannot be done.
    BackendUnavailable { backend_id: String, timestamp: UnixTime },
    /// The backends this node starts with.
    BackendsRegistered { backend_ids: Vec<String>, timestamp: UnixTime },
    /// What a backend can serve now.
    ModelsRefreshed { backend_id: String, models: Vec<String>, timestamp: UnixTime },
}

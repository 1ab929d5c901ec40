//! Durable storage. One [`Journal::commit`] is one transaction: all of its rows or none.

use crate::decision::History;
use crate::earnings::Earnings;
use crate::guest::GuestRef;
use crate::machine::JobState;
use crate::rows::{OpenInvoice, OutboxRow, Row, UnfinishedJob};
use crate::{JobId, PaymentHash, PublicKey, UnixTime};
use async_trait::async_trait;
use std::sync::Arc;

/// Why a commit or read failed, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The request is a duplicate: its id is in the journal.
    #[error("already in the journal")]
    Known,
    /// The rows contradict stored rows: do not retry.
    #[error("contradicts the journal: {0}")]
    Contradicts(String),
    /// Nothing was written: retry, and accept nothing new until a commit succeeds.
    #[error("the journal cannot be written: {0}")]
    Unwritable(String),
    /// Stored data is invalid: the operator must repair it.
    #[error("the journal cannot be read: {0}")]
    Unreadable(String),
}

/// The journal of the node.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes all rows durably, or none. The rows are shared, so that the caller can retry them.
    async fn commit(&self, rows: Arc<[Row]>) -> Result<(), JournalError>;

    /// Whether the journal has this id, as a job or as a refusal.
    fn knows(&self, id: JobId) -> Result<bool, JournalError>;

    /// One job.
    fn job(&self, id: JobId) -> Result<Option<JobState>, JournalError>;

    /// The customer of this job while its work is unfinished.
    fn customer_of_open(&self, id: JobId) -> Result<Option<PublicKey>, JournalError>;

    /// The guests that decided about this job, each once, in the order of their first decision.
    fn guests_of(&self, id: JobId) -> Result<Vec<GuestRef>, JournalError>;

    /// The job of this payment.
    fn job_of_payment(&self, hash: PaymentHash) -> Result<Option<JobId>, JournalError>;

    /// Jobs that run, wait, or have money outstanding, which a restart resumes. Oldest first. Here
    /// and in the next two queries, a row that cannot be read is logged and left out.
    fn unfinished(&self) -> Result<Vec<UnfinishedJob>, JournalError>;

    /// Invoices whose state must be looked up in the wallet.
    fn open_invoices(&self) -> Result<Vec<OpenInvoice>, JournalError>;

    /// Unsent results, or the other unsent messages; oldest first, at most `limit`.
    fn unsent(&self, results: bool, limit: usize) -> Result<Vec<OutboxRow>, JournalError>;

    /// The customer's record with this node.
    fn customer_history(&self, customer: PublicKey, now: UnixTime)
    -> Result<History, JournalError>;

    /// This node's own record for a kind.
    fn kind_history(&self, kind: u16, now: UnixTime) -> Result<History, JournalError>;

    /// A keyed digest that replaces a text of this job that is not kept. Equal texts have equal
    /// digests, and without the node's key a guess cannot be tested.
    fn digest(&self, job: JobId, text: &str) -> String;

    /// Totals, with the last `limit` payments.
    fn earnings(&self, limit: usize) -> Result<Earnings, JournalError>;
}

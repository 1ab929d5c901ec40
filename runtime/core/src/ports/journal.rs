//! What the node must not forget. One [`Journal::commit`] is one transaction: all of its rows or none.

use crate::decision::{History, Refusal};
use crate::machine::JobState;
use crate::ports::guests::{Cost, Fault};
use crate::ports::installations::{Audit, Installation, Purpose, ShadowRow, Standby};
use crate::ports::market::{GuestStamp, Sealed};
use crate::{Job, JobId, MessageId, Msat, PaymentHash, PublicKey, UnixTime};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One row to write.
#[derive(Clone, Debug)]
pub enum Row {
    /// A job enters; fails the commit with [`JournalError::Known`] if its id is known.
    Admit(Box<JobState>),
    /// A job has changed.
    Update(Box<JobState>),
    /// A request was refused; fails the commit with [`JournalError::Known`] if its id is known.
    Refuse(Box<RefusalRow>),
    /// A guest has decided.
    Decision(Box<DecisionRow>),
    /// A message to send.
    Send(OutboxRow),
    /// A message need not be sent again.
    Sent(MessageId),
    /// Money is ours; a second row for the same payment and source is ignored.
    Earn(Earning),
    /// A slot has another guest; fails the commit if its number is taken.
    Install(Box<Installation>),
    /// Something was done to a slot, or tried.
    Audit(Box<Audit>),
    /// A guest stands beside a slot; it takes the place of another with that purpose.
    Stand(Box<Standby>),
    /// Nobody stands beside this slot for that any more.
    Leave(String, Purpose),
    /// A shadow has answered; nothing is written if its decision is gone.
    Shadow(Box<ShadowRow>),
}

/// A request we did not take.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusalRow {
    /// The request.
    pub id: JobId,
    /// Its kind.
    pub kind: u16,
    /// Who asked.
    pub customer: PublicKey,
    /// As the customer dated it; the row is kept at least until this is too old to be accepted.
    pub created_at: UnixTime,
    /// Why not.
    pub refusal: Refusal,
    /// Its outline, where a guest was asked about it: then it is kept for longer, so that another guest can be asked the same.
    pub asked: Option<Box<Job>>,
    /// When we refused.
    pub at: UnixTime,
}

/// What a guest was asked and answered.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionRow {
    /// For which job.
    pub job: JobId,
    /// Who was asked.
    pub guest: GuestStamp,
    /// The set of guests that it was one of: there are its settings and limits.
    pub generation: u64,
    /// The engine it ran on, as [`Call::engine`](crate::ports::guests::Call::engine).
    pub engine: Arc<str>,
    /// `rank`, `quote`, `settle`, `judge` or `run`.
    pub function: &'static str,
    /// Of which attempt; 0 before the first.
    pub attempt: u32,
    /// What it was asked beside the job's own row, as JSON.
    pub input: String,
    /// What it answered, as JSON, or the limit it broke.
    pub output: Result<String, Fault>,
    /// What it cost.
    pub cost: Cost,
    /// Wall time.
    pub micros: u64,
    /// When.
    pub at: UnixTime,
}

/// A message waiting to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Of which job.
    pub job: JobId,
    /// Is it the result, whose delivery the job waits for?
    pub result: bool,
    /// The bytes.
    pub sealed: Sealed,
    /// Not sent after this.
    pub expires_at: UnixTime,
}

/// An invoice whose end is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenInvoice {
    /// Its job.
    pub job: JobId,
    /// Its name.
    pub payment_hash: PaymentHash,
    /// Nothing shall be paid any more.
    pub let_go: bool,
}

/// Money that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earning {
    /// For which job.
    pub job: JobId,
    /// How much.
    pub amount: Msat,
    /// Why.
    pub source: Source,
    /// Which payment.
    pub payment_hash: PaymentHash,
    /// When the wallet said so.
    pub at: UnixTime,
}

/// Why money came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The price of a job.
    Job,
    /// More than the price.
    Tip,
}

/// What to do about a commit that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The id is in the journal: this request was seen.
    #[error("already in the journal")]
    Known,
    /// These rows contradict what is written, now and for ever: give them up.
    #[error("contradicts the journal: {0}")]
    Contradicts(String),
    /// Nothing was written, but may be later: try again, and take nothing new until then.
    #[error("the journal cannot be written: {0}")]
    Unwritable(String),
    /// Not to be understood; a person must look.
    #[error("the journal cannot be read: {0}")]
    Unreadable(String),
}

/// The store.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Writes all rows durably, or none. Shared, so that a caller can try again with what it has.
    async fn commit(&self, rows: Arc<[Row]>) -> Result<(), JournalError>;

    /// Is this id in the journal?
    fn knows(&self, id: JobId) -> Result<bool, JournalError>;

    /// One job.
    fn job(&self, id: JobId) -> Result<Option<JobState>, JournalError>;

    /// Who asked for this job, while its work is not over.
    fn customer_of_open(&self, id: JobId) -> Result<Option<PublicKey>, JournalError>;

    /// The guests that were asked about this job, each once, in the order in which they first were.
    fn guests_of(&self, id: JobId) -> Result<Vec<GuestStamp>, JournalError>;

    /// The job that asked for this payment.
    fn job_of_payment(&self, hash: PaymentHash) -> Result<Option<JobId>, JournalError>;

    /// Jobs at work, waiting, or with money outstanding: what a start goes on with. Oldest first.
    fn unfinished(&self) -> Result<Vec<JobState>, JournalError>;

    /// Invoices that the wallet is to be asked about: open, and not known to be paid or gone.
    fn open_invoices(&self) -> Result<Vec<OpenInvoice>, JournalError>;

    /// Results not yet sent, or the other messages; oldest first, at most `limit`.
    fn unsent(&self, results: bool, limit: usize) -> Result<Vec<OutboxRow>, JournalError>;

    /// A customer's record with us.
    fn customer_history(&self, customer: PublicKey, now: UnixTime)
    -> Result<History, JournalError>;

    /// Our own record for a kind.
    fn kind_history(&self, kind: u16, now: UnixTime) -> Result<History, JournalError>;

    /// What stands for a text of this job that is not kept: the same for the same text, and told from a guess only with the node's key.
    fn digest(&self, job: JobId, text: &str) -> String;

    /// What was earned.
    fn earnings(&self, limit: usize) -> Result<Earnings, JournalError>;
}

/// The books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earnings {
    /// All of it.
    pub total: Msat,
    /// Ours to give back: paid for work that was not done.
    pub refund_due: Msat,
    /// Jobs with a result.
    pub jobs_completed: u64,
    /// By source, largest first.
    pub by_source: Vec<(Source, Msat)>,
    /// The newest first.
    pub recent: Vec<Earning>,
}

//! The rows that a journal stores.

use crate::decision::Refusal;
use crate::earnings::Earning;
use crate::guest::{Cost, Fault, GuestFunction, GuestRef};
use crate::installation::{Audit, Installation, PendingGuest, PendingKind, ShadowRow};
use crate::machine::{Execution, Invoicing, JobState, Plan};
use crate::message::{RelayRefusal, SignedMessage};
use crate::work::Output;
use crate::{Job, JobId, MessageId, PaymentHash, PublicKey, UnixTime};
use std::sync::Arc;

/// One row to write.
#[derive(Clone, Debug)]
pub enum Row {
    /// A new job. Fails the commit with [`Known`] if its id is known.
    ///
    /// [`Known`]: crate::ports::journal::JournalError::Known
    Admit(Box<JobState>),
    /// The new state of a job.
    Update(Box<JobState>),
    /// A refused request. Fails the commit with [`Known`] if its id is known.
    ///
    /// [`Known`]: crate::ports::journal::JournalError::Known
    Refuse(Box<RefusalRow>),
    /// A guest's decision.
    Decision(Box<DecisionRow>),
    /// A message to send. It supersedes the feedback about its job that was not sent yet.
    Send(OutboxRow),
    /// A message that need not be sent again.
    Sent(MessageId),
    /// A relay's refusal of a message about a job, at this time. The last one of each relay is
    /// kept; it is ignored if the job does not exist.
    RefusedByRelay(RelayRefusal, UnixTime),
    /// This many requests were dropped without an answer, at this time.
    Dropped(u64, UnixTime),
    /// A settled payment. A second row for the same payment and source is ignored.
    Earn(Earning),
    /// A new revision of the guest set. Fails the commit if the revision exists.
    Install(Box<Installation>),
    /// A change of a slot that was made or attempted.
    Audit(Box<Audit>),
    /// A pending guest. It replaces another of the same slot and kind.
    PutPending(Box<PendingGuest>),
    /// Removes the pending guest of this slot and kind.
    RemovePending(String, PendingKind),
    /// A shadow's answer. Ignored if its decision has been purged.
    Shadow(Box<ShadowRow>),
}

/// A request that was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusalRow {
    /// The request.
    pub id: JobId,
    /// Its kind.
    pub kind: u16,
    /// Its author.
    pub customer: PublicKey,
    /// As dated by the customer. The row is kept at least until the request is too old to be
    /// accepted.
    pub created_at: UnixTime,
    /// The reason.
    pub refusal: Refusal,
    /// The retained view of the request, if a guest was asked about it. Then the row is kept
    /// longer, so that another guest can be asked the same.
    pub job: Option<Box<Job>>,
    /// When it was refused.
    pub at: UnixTime,
}

/// A decision of a guest.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionRow {
    /// The job.
    pub job: JobId,
    /// The guest.
    pub guest: GuestRef,
    /// The revision of the guest set, which has the guest's settings and limits.
    pub revision: u64,
    /// The engine, as [`Call::engine`](crate::guest::Call::engine).
    pub engine: Arc<str>,
    /// The function that was called.
    pub function: GuestFunction,
    /// The attempt; 0 before the first.
    pub attempt: u32,
    /// The arguments that are not in the job's own row, as JSON.
    pub input: String,
    /// The answer as JSON, or the fault.
    pub output: Result<String, Fault>,
    /// Fuel or CPU time.
    pub cost: Cost,
    /// Wall time in microseconds.
    pub wall_us: u64,
    /// When.
    pub at: UnixTime,
}

/// What a decision was about.
#[derive(Clone, Copy, Debug)]
pub struct DecisionContext<'a> {
    /// The job as policies see it.
    pub job: &'a Arc<Job>,
    /// The agreed plan; absent for refused requests.
    pub plan: Option<&'a Arc<Plan>>,
    /// The output of the last attempt.
    pub output: Option<&'a Output>,
}

/// A message waiting to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// The job.
    pub job: JobId,
    /// Whether this is the job's result rather than feedback.
    pub result: bool,
    /// The message.
    pub message: SignedMessage,
    /// It is not sent after this.
    pub expires_at: UnixTime,
}

/// A job that runs, waits, or has money outstanding. Its texts stay in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfinishedJob {
    /// The job.
    pub id: JobId,
    /// Its kind.
    pub kind: u16,
    /// Its customer.
    pub customer: PublicKey,
    /// The revision of its guest set; 0 means any.
    pub revision: u64,
    /// Its execution.
    pub execution: Execution,
    /// Its invoice.
    pub invoicing: Invoicing,
}

/// An invoice that is neither settled nor closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenInvoice {
    /// The job.
    pub job: JobId,
    /// The payment.
    pub payment_hash: PaymentHash,
    /// The job wants it cancelled.
    pub cancelled: bool,
}

//! What customers and this node send each other, independent of any protocol.

use crate::guest::GuestRef;
use crate::work::Output;
use crate::{Job, JobId, MessageId, Msat, PublicKey, UnixTime};
use serde::{Deserialize, Serialize};

/// What a market delivers. Authenticity and form are checked, nothing else is decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A well-formed request.
    Job(Box<Job>),
    /// A request that cannot be served as it is.
    Malformed {
        /// The request.
        id: JobId,
        /// 5000 to 5999.
        kind: u16,
        /// The author of the request.
        customer: PublicKey,
        /// As dated by the customer.
        created_at: UnixTime,
        /// The request names this node, so the customer gets an error.
        targeted: bool,
        /// Why it cannot be read, for the customer.
        reason: String,
        /// As [`ReplyTo::confidential`]; absent if nothing could be decrypted.
        confidential: Option<String>,
    },
    /// The author withdraws requests.
    Cancel {
        /// The requests have to be of this customer.
        customer: PublicKey,
        /// The requests.
        jobs: Vec<JobId>,
        /// The withdrawal names this node.
        targeted: bool,
    },
}

/// The request that a message replies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTo<'a> {
    /// The request.
    pub job: JobId,
    /// Its kind.
    pub kind: u16,
    /// Its author.
    pub customer: PublicKey,
    /// The original event of a confidential request: replies to it are encrypted the same way.
    pub confidential: Option<&'a str>,
}

impl<'a> ReplyTo<'a> {
    /// Replies to this job.
    pub fn of(job: &'a Job) -> Self {
        let confidential = job.confidential.then_some(job.origin.as_str());
        Self { job: job.id, kind: job.kind, customer: job.customer, confidential }
    }
}

/// A message to a customer.
#[derive(Clone, Debug, PartialEq)]
pub enum Message<'a> {
    /// The status of a job.
    Feedback {
        /// The request.
        to: ReplyTo<'a>,
        /// Its status.
        status: JobStatus,
    },
    /// The result of a job.
    Result {
        /// The job.
        job: &'a Job,
        /// The output.
        output: &'a Output,
        /// The amount due with its BOLT-11 invoice, if there is one.
        due: Option<(Msat, String)>,
        /// The guests that took part.
        guests: &'a [GuestRef],
    },
}

/// The status of a job in feedback to the customer (NIP-90, kind 7000).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobStatus {
    /// The job starts after this payment.
    PaymentRequired {
        /// The price.
        amount: Msat,
        /// BOLT-11.
        bolt11: String,
    },
    /// Accepted.
    Processing,
    /// All of the answer so far.
    Partial(String),
    /// The job failed or was refused, with the reason.
    Error(String),
}

/// A signed message. It is signed once and the same bytes are sent on every retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedMessage {
    /// Its id on the market.
    pub id: MessageId,
    /// The bytes to send. Only the market reads them: one message may consist of several events,
    /// each of which is sent after the one before was acknowledged.
    pub bytes: String,
}

/// The result of one attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// Enough relays accepted it.
    Delivered,
    /// No relay accepted it yet: try again later.
    Retry,
    /// Every relay has refused it for good.
    Refused,
}

/// A relay, or another part of a market, will never accept a message about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayRefusal {
    /// The job.
    pub job: JobId,
    /// The address of the relay.
    pub relay: String,
    /// Why, in the words of the relay: one line of limited length.
    pub reason: String,
}

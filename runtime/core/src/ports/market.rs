//! Where jobs come from and results go. A market speaks a protocol; nothing behind this port does.

use crate::decision::MarketView;
use crate::work::Output;
use crate::{Digest, Job, JobId, MessageId, Msat, PublicKey, UnixTime};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// What a market delivers: checked for authenticity and form, and nothing else decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A request that can be read.
    Job(Box<Job>),
    /// A request that cannot be served as it is.
    Unusable {
        /// The request.
        id: JobId,
        /// 5000 to 5999.
        kind: u16,
        /// Who asked.
        customer: PublicKey,
        /// As the customer dated it.
        created_at: UnixTime,
        /// It named us: say what is wrong with it.
        targeted: bool,
        /// What is wrong with it.
        reason: String,
        /// As [`Address::confidential`]; absent also when nothing confidential could be read.
        confidential: Option<String>,
    },
    /// The author withdraws requests.
    Cancel {
        /// Whose requests these must be.
        customer: PublicKey,
        /// The requests.
        jobs: Vec<JobId>,
    },
}

/// Where an answer belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The request.
    pub job: JobId,
    /// Its kind.
    pub kind: u16,
    /// Who asked.
    pub customer: PublicKey,
    /// The request as it came, if it was confidential: what is said to it goes out the same way.
    pub confidential: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// Of who asked for this job.
    pub fn of(job: &'a Job) -> Self {
        let confidential = job.confidential.then_some(job.origin.as_str());
        Self { job: job.id, kind: job.kind, customer: job.customer, confidential }
    }
}

/// What we say.
#[derive(Clone, Debug, PartialEq)]
pub enum Message<'a> {
    /// How a job stands.
    Feedback {
        /// Of which job.
        to: Address<'a>,
        /// How it stands.
        status: Status,
    },
    /// The result of a job.
    Result {
        /// The job.
        job: &'a Job,
        /// What was made.
        output: &'a Output,
        /// The amount due with its BOLT-11 invoice, if anything is.
        due: Option<(Msat, String)>,
        /// The guests that took part.
        guests: &'a [GuestStamp],
    },
}

/// How a job stands (NIP-90 feedback).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing happens before this is paid.
    PaymentRequired {
        /// How much.
        amount: Msat,
        /// The invoice, BOLT-11.
        bolt11: String,
    },
    /// Taken.
    Processing,
    /// All of the answer so far.
    Partial(String),
    /// There will be no result, and why.
    Error(String),
}

/// Which guest took part in a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestStamp {
    /// `routing`, `pricing`, `verification` or `handler`.
    pub slot: String,
    /// As the component calls itself.
    pub name: String,
    /// As the component calls itself.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: Digest,
}

/// A message made final: signed once, sent as often as it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its name on the market.
    pub id: MessageId,
    /// The very bytes that go out, for the market alone to read: it may say one thing in several messages, and then sends each after the
    /// one before it was acknowledged.
    pub bytes: String,
}

/// What became of one attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Enough relays have it.
    Delivered,
    /// Nobody took it now; try again.
    Later,
    /// No relay will ever take it.
    Refused,
}

/// Why a message cannot be sealed or sent.
#[derive(Debug, thiserror::Error)]
pub enum MarketError {
    /// The market is closed for good.
    #[error("the market is closed")]
    Closed,
    /// This message can never go out.
    #[error("cannot be published: {0}")]
    Unpublishable(String),
}

/// Buyers on one side, this node on the other.
#[async_trait]
pub trait Market: Send + Sync {
    /// The next thing that came in; `None` once closed. One caller at a time.
    async fn next(&self) -> Option<Incoming>;

    /// Could this be delivered at all, as the market is now? Pure, and cheaper than sealing it: asked before anything is charged.
    fn check(&self, job: &Job, output: &Output) -> Result<(), MarketError>;

    /// Signs. Pure computation: nothing leaves the node.
    fn seal(&self, message: &Message<'_>, now: UnixTime) -> Result<Sealed, MarketError>;

    /// Offers the sealed bytes to the market and waits, within the adapter's deadline, for what it says.
    async fn send(&self, sealed: &Sealed) -> Delivery;

    /// What others ask for this kind here, as [`crate::asks`] counts it; `None` where too few were heard. Never waits.
    fn asks(&self, kind: u16, now: UnixTime) -> Option<MarketView>;
}

//! What policies are asked and what they may answer.

use crate::work::Route;
use crate::{Msat, Param, UnixTime};
use serde::{Deserialize, Serialize};

/// What the node knows when it asks a policy. Policies have no clock and no memory: everything is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Situation {
    /// When the question was put.
    pub now: UnixTime,
    /// Jobs that wait.
    pub queued: u32,
    /// Jobs at work.
    pub running: u32,
    /// Jobs that may be at work at once.
    pub capacity: u32,
    /// Room to grow.
    pub extra: Vec<Param>,
}

/// A route with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Where it leads.
    pub route: Route,
    /// Room for prompt and answer.
    pub context_tokens: Option<u32>,
    /// Requests it serves now.
    pub in_flight: u32,
    /// Requests it may serve at once.
    pub limit: u32,
    /// Requests that wait for it.
    pub queued: u32,
    /// Moving average; absent until measured.
    pub first_output_ms: Option<u32>,
    /// Moving average; absent until measured.
    pub tokens_per_second: Option<u32>,
    /// Failed calls in a thousand, moving average.
    pub failure_permille: u32,
    /// The operator's default.
    pub preferred: bool,
}

/// The order in which to try the candidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranking {
    /// Indices into the candidates.
    pub order: Vec<u32>,
    /// For the operator's log.
    pub note: String,
}

/// Stands where a text about a confidential job was: in logs, in events and in the journal.
pub const WITHHELD: &str = "told to the customer only";

/// Why a job is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Nobody to do the work.
    NoBackend,
    /// The lowest price we would take.
    BidTooLow(Msat),
    /// What we do not do.
    Unsupported(String),
    /// What is wrong with the request.
    Invalid(String),
    /// Seconds after which to try again.
    Busy(u32),
    /// This customer is not served.
    Blocked,
    /// Anything else.
    Other(String),
}

impl Refusal {
    /// The word stored beside a refusal, one for each case.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoBackend => "no_backend",
            Self::BidTooLow(_) => "bid_too_low",
            Self::Unsupported(_) => "unsupported",
            Self::Invalid(_) => "invalid",
            Self::Busy(_) => "busy",
            Self::Blocked => "blocked",
            Self::Other(_) => "other",
        }
    }

    /// The same with every text in it, which may quote the request, put through `change`.
    #[must_use]
    pub fn map_text(&self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::NoBackend | Self::BidTooLow(_) | Self::Busy(_) | Self::Blocked => self.clone(),
            Self::Unsupported(what) => Self::Unsupported(change(what)),
            Self::Invalid(what) => Self::Invalid(change(what)),
            Self::Other(why) => Self::Other(change(why)),
        }
    }

    /// The customer's words.
    pub fn words(&self) -> String {
        match self {
            Self::NoBackend => "no backend".into(),
            Self::BidTooLow(price) => format!("bid too low: the price is {price}"),
            Self::Unsupported(what) => format!("unsupported: {what}"),
            Self::Invalid(what) => format!("invalid request: {what}"),
            Self::Busy(seconds) => format!("busy: try again in {seconds} s"),
            Self::Blocked => "not served".into(),
            Self::Other(why) => why.clone(),
        }
    }
}

/// When the customer pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Terms {
    /// Never.
    Free,
    /// After the result, for what was used.
    OnDelivery,
    /// The price as offered, before anything runs.
    BeforeWork,
    /// Locked before, taken on success.
    Hold,
}

/// The record of a customer, or our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The first job ever.
    pub first_seen: Option<UnixTime>,
    /// Results delivered.
    pub jobs_completed: u32,
    /// Results delivered and never paid.
    pub jobs_unpaid: u32,
    /// Ever.
    pub paid: Msat,
    /// Within the last 30 days.
    pub recent_paid: Msat,
}

/// What others asked for this kind on our relays, recently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketView {
    /// How many were seen.
    pub offers: u32,
    /// The lowest.
    pub low: Msat,
    /// Half are below.
    pub median: Msat,
    /// The highest.
    pub high: Msat,
}

/// What a pricing policy is told beside the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteContext {
    /// The first choice.
    pub route: Route,
    /// From the size of the texts.
    pub input_tokens_estimate: u64,
    /// What our wallet can do now; without one only `free`.
    pub terms: Vec<Terms>,
    /// The largest invoice the wallet can take.
    pub max_receivable: Msat,
    /// 1 for a wallet with msat precision, 1000 for whole satoshis.
    pub step: Msat,
    /// The customer's record with us.
    pub customer: History,
    /// Our own record for this kind.
    pub ours: History,
    /// What others ask.
    pub market: Option<MarketView>,
}

/// What we ask for a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// When it is paid.
    pub terms: Terms,
    /// Invoiced as it is for `before-work` and `hold`; an estimate for `on-delivery`.
    pub price: Msat,
    /// Never charged above this, nor above the bid.
    pub cap: Msat,
    /// The host stops the work at these.
    pub max_output_tokens: u64,
    /// Wall time of the work.
    pub max_work_ms: u64,
    /// How long the invoice is good.
    pub valid_seconds: u32,
    /// Higher goes first.
    pub priority: i32,
    /// For the operator's log.
    pub note: String,
}

/// What verification says of an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Deliver and charge.
    Accept,
    /// Neither deliver nor charge.
    Reject(String),
    /// Try the next route.
    Retry(String),
}

impl Verdict {
    /// The same with its reason, which may quote the output, put through `change`.
    #[must_use]
    pub fn map_text(&self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Accept => Self::Accept,
            Self::Reject(why) => Self::Reject(change(why)),
            Self::Retry(why) => Self::Retry(change(why)),
        }
    }
}

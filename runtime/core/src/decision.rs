//! The questions to policies and their answers.

use crate::work::Route;
use crate::{Msat, Param, UnixTime};
use serde::{Deserialize, Serialize};

/// The state of the node. Policies have no clock and no memory, so everything they may use is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Situation {
    /// The current time.
    pub now: UnixTime,
    /// Jobs in the queue.
    pub queued: u32,
    /// Running jobs.
    pub running: u32,
    /// Maximum number of running jobs.
    pub capacity: u32,
    /// For extensions.
    pub extra: Vec<Param>,
}

/// A route with its measurements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The route.
    pub route: Route,
    /// Context window (prompt and answer).
    pub context_tokens: Option<u32>,
    /// Requests being served.
    pub in_flight: u32,
    /// Maximum number of concurrent requests.
    pub limit: u32,
    /// Requests waiting for it.
    pub queued: u32,
    /// Moving average; absent until measured.
    pub first_output_ms: Option<u32>,
    /// Moving average; absent until measured.
    pub tokens_per_second: Option<u32>,
    /// Failed calls per thousand, moving average.
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

/// Replaces texts about a confidential job in logs, in events and in the journal.
pub const REDACTED: &str = "sent to the customer only";

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No backend can do the work.
    NoBackend,
    /// With the lowest acceptable price.
    BidTooLow(Msat),
    /// With what is not supported.
    Unsupported(String),
    /// With what is wrong with the request.
    Invalid(String),
    /// With the seconds after which to try again.
    Busy(u32),
    /// This customer is not served.
    Blocked,
    /// Anything else.
    Other(String),
    /// The guest cannot use the operator's value of this setting.
    InvalidSetting(String),
}

impl Refusal {
    /// The code of the case, stored with a refusal.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoBackend => "no_backend",
            Self::BidTooLow(_) => "bid_too_low",
            Self::Unsupported(_) => "unsupported",
            Self::Invalid(_) => "invalid",
            Self::Busy(_) => "busy",
            Self::Blocked => "blocked",
            Self::Other(_) => "other",
            Self::InvalidSetting(_) => "invalid_setting",
        }
    }

    /// Replaces every text, which may quote the request.
    #[must_use]
    pub fn redact(&self, with: impl Fn(&str) -> String) -> Self {
        match self {
            Self::NoBackend | Self::BidTooLow(_) | Self::Busy(_) | Self::Blocked => self.clone(),
            Self::Unsupported(what) => Self::Unsupported(with(what)),
            Self::Invalid(what) => Self::Invalid(with(what)),
            Self::Other(why) => Self::Other(with(why)),
            Self::InvalidSetting(name) => Self::InvalidSetting(with(name)),
        }
    }

    /// The message to the customer.
    pub fn message(&self) -> String {
        match self {
            Self::NoBackend => "no backend".into(),
            Self::BidTooLow(price) => format!("bid too low: the price is {price}"),
            Self::Unsupported(what) => format!("unsupported: {what}"),
            Self::Invalid(what) => format!("invalid request: {what}"),
            Self::Busy(seconds) => format!("busy: try again in {seconds} s"),
            Self::Blocked => "not served".into(),
            Self::Other(why) => why.clone(),
            Self::InvalidSetting(name) => format!("invalid setting: {name}"),
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
    /// A hold invoice, settled on success.
    Hold,
}

impl Terms {
    /// Whether the price is invoiced before anything runs.
    pub const fn is_prepaid(self) -> bool {
        matches!(self, Self::BeforeWork | Self::Hold)
    }
}

/// The record of a customer, or of this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The time of the first job.
    pub first_seen: Option<UnixTime>,
    /// Results delivered.
    pub jobs_completed: u32,
    /// Results delivered and never paid.
    pub jobs_unpaid: u32,
    /// Results delivered and paid. Absent in records of earlier versions.
    #[serde(default)]
    pub jobs_paid: Option<u32>,
    /// The total.
    pub paid: Msat,
    /// Within the last 30 days.
    pub recent_paid: Msat,
}

/// Recent prices of other providers for one kind, seen on the configured relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketView {
    /// Number of providers.
    pub offers: u32,
    /// The lowest.
    pub low: Msat,
    /// The median.
    pub median: Msat,
    /// The highest.
    pub high: Msat,
}

/// What pricing is given besides the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteContext {
    /// The route to price.
    pub route: Route,
    /// Estimated from the size of the texts.
    pub input_tokens_estimate: u64,
    /// The terms that the wallet supports now; without a wallet only `free`.
    pub terms: Vec<Terms>,
    /// The largest invoice that can be received.
    pub max_receivable: Msat,
    /// 1 for a wallet with msat precision, 1000 for whole satoshis.
    pub step: Msat,
    /// The customer's record with this node.
    pub customer: History,
    /// This node's own record for this kind.
    pub ours: History,
    /// Prices of other providers.
    pub market: Option<MarketView>,
}

impl QuoteContext {
    /// The same for another route.
    #[must_use]
    pub fn with_route(&self, route: Route) -> Self {
        Self { route, ..self.clone() }
    }
}

/// The price of a job and its conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// When it is paid.
    pub terms: Terms,
    /// The invoice of `before-work` and `hold`; an estimate for `on-delivery`.
    pub price: Msat,
    /// The charge never exceeds this, nor the bid.
    pub cap: Msat,
    /// The host stops the work at this limit.
    pub max_output_tokens: u64,
    /// Wall time of the work.
    pub max_work_ms: u64,
    /// Validity of the invoice.
    pub valid_seconds: u32,
    /// Higher goes first.
    pub priority: i32,
    /// For the operator's log.
    pub note: String,
}

/// The answer of verification about an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Deliver and charge.
    Accept,
    /// Neither deliver nor charge.
    Reject(String),
    /// Try the next route.
    Retry(String),
    /// The guest cannot use the operator's value of this setting. The same as `Reject`.
    InvalidSetting(String),
}

impl Verdict {
    /// Replaces the reason, which may quote the output.
    #[must_use]
    pub fn redact(&self, with: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Accept => Self::Accept,
            Self::Reject(why) => Self::Reject(with(why)),
            Self::Retry(why) => Self::Retry(with(why)),
            Self::InvalidSetting(name) => Self::InvalidSetting(with(name)),
        }
    }
}

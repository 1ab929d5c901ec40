//! One recorded decision, and the candidate's. Where the money of the candidate's decision cannot
//! be known, the reason is part of the case.

use pylon_core::guest::Fault;
use pylon_core::{JobId, Msat, PublicKey, UnixTime};

/// One decision, then and now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCase {
    /// The job or request.
    pub job: JobId,
    /// Its kind.
    pub kind: u16,
    /// Its customer.
    pub customer: PublicKey,
    /// The time of the recorded decision.
    pub at: UnixTime,
    /// The recorded decision.
    pub then: Outcome,
    /// The candidate's decision.
    pub now: Outcome,
    /// The money of both.
    pub money: Money,
    /// Fuel of each recorded answer.
    pub fuel_then: Vec<u64>,
    /// Fuel of each answer of the candidate.
    pub fuel_now: Vec<u64>,
    /// Limits that the candidate exceeded.
    pub faults: Vec<Fault>,
}

/// What a decision means for the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The job or its output is accepted.
    Accepted {
        /// A few words for people.
        summary: String,
        /// The price; only of pricing decisions.
        price: Option<Msat>,
        /// The model that was to do the work.
        model: String,
    },
    /// The job is refused, or its output rejected.
    Refused {
        /// The kind of refusal, for programs.
        code: &'static str,
        /// A few words for people.
        summary: String,
    },
}

impl Outcome {
    /// Whether it is accepted.
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }

    /// A few words for people.
    pub fn summary(&self) -> &str {
        match self {
            Self::Accepted { summary, .. } | Self::Refused { summary, .. } => summary,
        }
    }

    /// The price of an offer.
    pub const fn price(&self) -> Option<Msat> {
        match self {
            Self::Accepted { price, .. } => *price,
            Self::Refused { .. } => None,
        }
    }

    /// The model that was to do the work.
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Accepted { model, .. } => Some(model),
            Self::Refused { .. } => None,
        }
    }
}

/// What a decision means in money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Money {
    /// Nothing was earned, and nothing would have been.
    Nothing,
    /// Both amounts are known.
    Known {
        /// Earned.
        then: Msat,
        /// Would have been earned.
        now: Msat,
    },
    /// What would have been earned cannot be known.
    Unknown {
        /// The reason.
        why: Unknown,
        /// Earned.
        then: Msat,
        /// The candidate's price: reported, never counted.
        asked: Msat,
    },
}

/// Why it cannot be known what would have been earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// The request was refused: its usage is unknown.
    Usage,
    /// The price would have been higher: the customer might not have paid.
    PriceHigher,
    /// Payment would have been due earlier: the customer might not have paid.
    Terms,
    /// The job was not paid: another price might have been.
    Unpaid,
    /// The job used more than the candidate allows.
    OverLimit,
    /// Another route would have done the work.
    Route,
    /// The output was rejected: no amount was settled.
    NotSettled,
    /// The job is in progress.
    InProgress,
}

impl Unknown {
    /// A word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::PriceHigher => "price_higher",
            Self::Terms => "terms",
            Self::Unpaid => "unpaid",
            Self::OverLimit => "over_limit",
            Self::Route => "route",
            Self::NotSettled => "not_settled",
            Self::InProgress => "in_progress",
        }
    }

    /// For people, after a number of jobs.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Usage => "were refused: their usage is unknown",
            Self::PriceHigher => "would have cost more: the customers might not have paid",
            Self::Terms => "would have been due before work: the customers might not have paid",
            Self::Unpaid => "were not paid: another price might have been",
            Self::OverLimit => "used more than the candidate allows",
            Self::Route => "would have run on another route: their usage there is unknown",
            Self::NotSettled => "were rejected: no amount was settled",
            Self::InProgress => "are in progress",
        }
    }
}

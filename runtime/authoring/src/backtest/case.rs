//! One decision, as it was and as a candidate would have made it. What nobody can know of the money is a case of its own.

use pylon_core::guest::Fault;
use pylon_core::{JobId, Msat, PublicKey, UnixTime};

/// One decision, then and now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Which job or request.
    pub job: JobId,
    /// Its kind.
    pub kind: u16,
    /// Who asked.
    pub customer: PublicKey,
    /// When it was decided.
    pub at: UnixTime,
    /// What was decided.
    pub then: Stand,
    /// What the candidate says.
    pub now: Stand,
    /// What both mean in money.
    pub money: Money,
    /// What the recorded answer took.
    pub fuel_then: u64,
    /// What each answer of the candidate took.
    pub fuel_now: Vec<u64>,
    /// The limits that the candidate broke.
    pub faults: Vec<Fault>,
}

/// What became of a request by one decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Taken, or accepted.
    Yes {
        /// In a few words.
        words: String,
        /// What was asked for it; only where a price was decided.
        price: Option<Msat>,
        /// Where the work was to be done.
        model: String,
    },
    /// Refused, or rejected.
    No {
        /// The kind of no.
        code: &'static str,
        /// In a few words.
        words: String,
    },
}

impl Stand {
    /// Is it a yes?
    pub const fn is_yes(&self) -> bool {
        matches!(self, Self::Yes { .. })
    }

    /// In a few words.
    pub fn words(&self) -> &str {
        match self {
            Self::Yes { words, .. } | Self::No { words, .. } => words,
        }
    }

    /// What was asked.
    pub const fn price(&self) -> Option<Msat> {
        match self {
            Self::Yes { price, .. } => *price,
            Self::No { .. } => None,
        }
    }

    /// Where the work was to be done.
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Yes { model, .. } => Some(model),
            Self::No { .. } => None,
        }
    }
}

/// What a decision means in money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Money {
    /// Nothing was earned, and nothing would have been.
    Nothing,
    /// What came then, and what would have come.
    Known {
        /// Then.
        then: Msat,
        /// Now.
        now: Msat,
    },
    /// What came then; what would have come nobody knows.
    Unknown {
        /// Why nobody knows.
        why: Unknown,
        /// Then.
        then: Msat,
        /// What the candidate asks for: told, never counted.
        asked: Msat,
    },
}

/// Why nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// It was refused: nobody knows what it would have used.
    Usage,
    /// It would have cost more: nobody knows whether the customer would have paid that.
    Dearer,
    /// It would have been paid earlier: nobody knows whether the customer would have.
    Terms,
    /// It was not paid: nobody knows whether the customer would have paid another price.
    Unpaid,
    /// It used more than the candidate allows: nobody knows what the rest would have been worth.
    Cut,
    /// Another route would have done it.
    Route,
    /// It was rejected: nobody has asked what was due.
    Due,
    /// It is not over.
    Open,
}

impl Unknown {
    /// In a word, for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Dearer => "dearer",
            Self::Terms => "terms",
            Self::Unpaid => "unpaid",
            Self::Cut => "cut",
            Self::Route => "route",
            Self::Due => "due",
            Self::Open => "open",
        }
    }

    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Usage => "were refused then: what they would have used is not known",
            Self::Dearer => {
                "would have cost more: whether customers would have paid that is not known"
            }
            Self::Terms => "would have been paid before: whether customers would have is not known",
            Self::Unpaid => "were never paid: whether another price would have been is not known",
            Self::Cut => "used more than is allowed now: what less would have cost is not known",
            Self::Route => "would have run elsewhere: what that would have used is not known",
            Self::Due => "were rejected then: what they would have cost is not known",
            Self::Open => "are not over yet",
        }
    }
}

//! The row of a job. Execution, delivery, invoicing and settlement are four columns and never one.

use crate::decision::{Offer, QuoteContext, WITHHELD};
use crate::ports::guests::JobError;
use crate::ports::payments::Invoice;
use crate::work::{Evidence, Output, Route};
use crate::{Job, Msat, PaymentHash, UnixTime};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Stands where a text was that a guest wrote.
const GONE: &str = "text no longer kept";

macro_rules! column {
    ($($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $case:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$case_doc])* $case,)* }

        impl $name {
            /// Every case.
            pub const ALL: &[Self] = &[$(Self::$case),*];

            /// The word in the journal.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$case => $word),* }
            }

            /// The case of a word in the journal.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$case),)* _ => None }
            }
        }
    )*};
}

column! {
    /// The work.
    Execution {
        /// Waits for a worker.
        #[default]
        Received = "received",
        /// Waits for money.
        AwaitingPayment = "awaiting_payment",
        /// At work.
        Processing = "processing",
        /// Done and accepted.
        Completed = "completed",
        /// There will be no result.
        Failed = "failed",
        /// The customer withdrew or never paid for it.
        Cancelled = "cancelled",
    }
    /// The result on its way.
    Delivery {
        /// There is none.
        #[default]
        None = "none",
        /// The operator decides whether it goes out.
        InReview = "in_review",
        /// In the outbox.
        Queued = "queued",
        /// Enough relays have it.
        Delivered = "delivered",
        /// No relay takes it.
        Failed = "failed",
    }
    /// The invoice.
    Invoicing {
        /// There is none.
        #[default]
        None = "none",
        /// Decided, not made.
        Created = "created",
        /// Can be paid or is.
        Open = "open",
        /// Can no longer be paid.
        Expired = "expired",
        /// Withdrawn or never made.
        Cancelled = "cancelled",
    }
    /// The money.
    Settlement {
        /// Nothing is due.
        #[default]
        None = "none",
        /// Not paid yet.
        Pending = "pending",
        /// Locked for us.
        Held = "held",
        /// Ours.
        Paid = "paid",
        /// Delivered, and the invoice expired.
        Unpaid = "unpaid",
        /// Nothing will be paid.
        Cancelled = "cancelled",
        /// Ours, and owed back.
        RefundDue = "refund_due",
        /// Given back.
        Refunded = "refunded",
    }
}

/// What was decided when the job was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The guests that it keeps, whatever is installed later. 0, in rows of the first versions: any.
    #[serde(default)]
    pub generation: u64,
    /// In the order to try them; at least one.
    pub routes: Vec<Route>,
    /// What pricing was told.
    pub context: QuoteContext,
    /// What pricing asked.
    pub offer: Offer,
    /// The params that policies saw, by name: others are the handler's alone.
    #[serde(default)]
    pub public: Vec<String>,
}

/// Why there will be no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The handler gave up.
    Job(JobError),
    /// Verification said no.
    Rejected(String),
    /// Money did not come as agreed.
    Payment(String),
}

impl Failure {
    /// The customer's words. Clients compare `no backend` and `timeout`, so these are fixed.
    pub fn words(&self) -> String {
        match self {
            Self::Job(JobError::Invalid(why)) => format!("invalid request: {why}"),
            Self::Job(JobError::NoBackend) => "no backend".into(),
            Self::Job(JobError::Timeout) => "timeout".into(),
            Self::Job(JobError::Failed(why)) => format!("processing error: {why}"),
            Self::Rejected(why) => format!("processing error: the result was rejected: {why}"),
            Self::Payment(why) => format!("payment: {why}"),
        }
    }

    /// The same with what a guest wrote, which may quote request and output, put through `change`.
    #[must_use]
    pub fn map_text(&self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Job(error) => Self::Job(error.map_text(change)),
            Self::Rejected(why) => Self::Rejected(change(why)),
            Self::Payment(why) => Self::Payment(why.clone()),
        }
    }
}

/// One job's row.
#[derive(Clone, Debug, PartialEq)]
pub struct JobState {
    /// As it was asked for. Shared: it never changes.
    pub job: Arc<Job>,
    /// As it was taken. Shared: it never changes.
    pub plan: Arc<Plan>,
    /// The work.
    pub execution: Execution,
    /// The result.
    pub delivery: Delivery,
    /// The invoice.
    pub invoicing: Invoicing,
    /// The money.
    pub settlement: Settlement,
    /// The last attempt begun; 0 before the first.
    pub attempt: u32,
    /// Index of the route to begin with.
    pub route: usize,
    /// Of the last attempt.
    pub output: Option<Output>,
    /// Of the last attempt.
    pub evidence: Option<Evidence>,
    /// What is to be paid, once it is known.
    pub due: Msat,
    /// The wallet's invoice.
    pub invoice: Option<Invoice>,
    /// What the wallet says has come.
    pub paid: Msat,
    /// Why there is no result.
    pub failure: Option<Failure>,
    /// When it was taken.
    pub received_at: UnixTime,
    /// When the last attempt began.
    pub started_at: Option<UnixTime>,
    /// When it completed, failed or was cancelled.
    pub ended_at: Option<UnixTime>,
    /// Since when its texts are no longer kept: what was asked and answered cannot be read, nor the work replayed.
    pub text_gone_at: Option<UnixTime>,
}

impl JobState {
    /// Nothing more will happen to the work.
    pub const fn is_over(&self) -> bool {
        matches!(self.execution, Execution::Completed | Execution::Failed | Execution::Cancelled)
    }

    /// Nothing more is awaited at all: no work, no delivery, no money.
    pub fn is_closed(&self) -> bool {
        self.is_over()
            && self.delivery != Delivery::Queued
            && !matches!(self.settlement, Settlement::Pending | Settlement::Held)
            && self.invoicing != Invoicing::Created
            && !self.is_letting_go()
    }

    /// Nothing shall be paid, and the wallet has not yet said that nothing can be.
    pub fn is_letting_go(&self) -> bool {
        self.settlement == Settlement::Cancelled && self.invoicing == Invoicing::Open
    }

    /// The operator decides whether the result goes out.
    pub const fn is_in_review(&self) -> bool {
        matches!(self.delivery, Delivery::InReview)
    }

    /// Somebody may still work on the text, or look at it: until then a confidential job keeps it.
    pub fn needs_text(&self) -> bool {
        !self.is_over() || self.delivery == Delivery::InReview
    }

    /// Without what the customer and the guests wrote: what is kept of a confidential job in the clear.
    #[must_use]
    pub fn without_text(&self) -> Self {
        let withheld = |_: &str| WITHHELD.to_owned();
        Self {
            job: Arc::new(self.job.without_text()),
            output: None,
            evidence: self.evidence.as_ref().map(|evidence| evidence.map_text(withheld)),
            failure: self.failure.as_ref().map(|failure| failure.map_text(withheld)),
            ..self.clone()
        }
    }

    /// What is kept for good: numbers, times, money, and of the request its outline.
    #[must_use]
    pub fn outline(&self, gone_at: UnixTime) -> Self {
        let gone = |_: &str| GONE.to_owned();
        let state = if self.job.confidential {
            self.without_text()
        } else {
            Self {
                job: Arc::new(self.job.outline(&self.plan.public)),
                output: None,
                evidence: self.evidence.as_ref().map(|evidence| evidence.map_text(gone)),
                failure: self.failure.as_ref().map(|failure| failure.map_text(gone)),
                ..self.clone()
            }
        };
        Self { text_gone_at: Some(gone_at), ..state }
    }

    /// Its texts go with the end of the work: nobody may want to read again what was confidential or withdrawn.
    pub fn drops_text(&self) -> bool {
        !self.needs_text() && (self.job.confidential || self.execution == Execution::Cancelled)
    }

    /// The invoice's name, once there is one.
    pub fn payment_hash(&self) -> Option<PaymentHash> {
        self.invoice.as_ref().map(|invoice| invoice.payment_hash)
    }

    /// The most that may ever be charged.
    pub fn cap(&self) -> Msat {
        self.job.bid.map_or(self.plan.offer.cap, |bid| bid.min(self.plan.offer.cap))
    }
}

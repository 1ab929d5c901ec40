//! Settled payments.

use crate::names::named_enum;
use crate::{JobId, Msat, PaymentHash, UnixTime};

/// One settled payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earning {
    /// The job that was paid for.
    pub job: JobId,
    /// The amount.
    pub amount: Msat,
    /// What the payment was for.
    pub source: EarningSource,
    /// The payment.
    pub payment_hash: PaymentHash,
    /// When the wallet reported it.
    pub at: UnixTime,
}

named_enum! {
    /// What a payment was for.
    EarningSource {
        /// The price of a job.
        Job = "job",
        /// Paid on top of the price.
        Tip = "tip",
    }
}

/// Totals over all jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earnings {
    /// Everything earned.
    pub total: Msat,
    /// Owed back to customers: paid for work that was not done.
    pub refund_due: Msat,
    /// Jobs with a result.
    pub jobs_completed: u64,
    /// By source, largest first.
    pub by_source: Vec<(EarningSource, Msat)>,
    /// Newest first.
    pub recent: Vec<Earning>,
}

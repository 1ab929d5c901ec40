//! What happens to a job.

use crate::decision::Verdict;
use crate::job::JobError;
use crate::payment::Invoice;
use crate::work::{Evidence, Output};
use crate::{Msat, PaymentHash};

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The inputs cannot be fetched.
    InputsFailed(JobError),
    /// A worker is free for the job.
    Scheduled,
    /// An attempt ended.
    AttemptFinished {
        /// The attempt.
        attempt: u32,
        /// Some of the text was published, so no other route may answer.
        partial_sent: bool,
        /// The output with its evidence, or the error.
        outcome: Box<Result<(Output, Evidence), JobError>>,
    },
    /// Verification answered.
    Judged {
        /// The attempt.
        attempt: u32,
        /// The answer.
        verdict: Verdict,
    },
    /// Verification gave no answer.
    VerdictMissing {
        /// The attempt.
        attempt: u32,
    },
    /// The operator accepts a result in review.
    Accepted,
    /// The operator rejects a result in review.
    Rejected,
    /// The job's guests were replaced and may no longer be used.
    Drained,
    /// Pricing answered with the amount due.
    AmountDue {
        /// The attempt.
        attempt: u32,
        /// The policy's answer; the machine bounds it by cap, bid and step.
        due: Msat,
        /// The smallest unit of the wallet's invoices.
        step: Msat,
    },
    /// The wallet created the invoice.
    Invoiced(Invoice),
    /// The wallet refuses to create an invoice.
    InvoiceFailed,
    /// The wallet holds the payment.
    Held(PaymentHash, Msat),
    /// The wallet received the payment.
    Paid(PaymentHash, Msat),
    /// The wallet reports that the invoice is still payable.
    InvoiceOpen(PaymentHash),
    /// The wallet reports that the invoice is no longer payable, or that the held payment was
    /// returned.
    InvoiceExpired(PaymentHash),
    /// The customer withdrew the request.
    Cancelled,
    /// Enough relays accepted the result.
    Delivered,
    /// The result cannot be sent, or no relay accepted it in time.
    Undeliverable,
    /// A task of the job panicked.
    Panicked,
    /// The node restarted.
    Restarted,
    /// The node restarted, and the job's guests are no longer available.
    RestartedWithoutGuests,
}

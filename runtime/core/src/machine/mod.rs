//! The machine of one job: its state is its row, every input is an event, every effect an action.
//!
//! `step` is total: an event that comes late, twice or out of order changes nothing it should not, because relays and wallets
//! promise no order. What an action leads to comes back as another event. Text as it streams never passes through here.

mod money;
mod review;
mod state;
#[cfg(test)]
mod tests;
mod transition;

pub use state::{Delivery, Execution, Failure, Invoicing, JobState, Plan, Settlement};
pub use transition::{admit, step};

use crate::decision::Verdict;
use crate::event::DomainEvent;
use crate::ports::guests::JobError;
use crate::ports::journal::Source;
use crate::ports::market::Status;
use crate::ports::payments::Invoice;
use crate::work::{Evidence, Output};
use crate::{Msat, PaymentHash};

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// What the customer only pointed to cannot be had.
    NotGathered(JobError),
    /// A worker is free for it.
    Scheduled,
    /// An attempt came to its end.
    Ran {
        /// Which attempt.
        attempt: u32,
        /// Some of the text is out already, so that no other route may answer.
        partial_sent: bool,
        /// What it came to.
        outcome: Box<Result<(Output, Evidence), JobError>>,
    },
    /// Verification has answered.
    Judged {
        /// On which attempt.
        attempt: u32,
        /// What it said.
        verdict: Verdict,
    },
    /// Verification gave no answer.
    Unjudged {
        /// On which attempt.
        attempt: u32,
    },
    /// The operator sends a result that waited for it.
    Released,
    /// The operator does not send a result that waited for it.
    Rejected,
    /// The time that its guests had left is over.
    Drained,
    /// Pricing has said what is due.
    Metered {
        /// For which attempt.
        attempt: u32,
        /// As the policy said it; the machine holds it to cap, bid and step.
        due: Msat,
        /// The wallet's smallest difference between two invoices.
        step: Msat,
    },
    /// The wallet has made the invoice.
    Invoiced(Invoice),
    /// The wallet will not make an invoice.
    NotInvoiced,
    /// The wallet holds the payment.
    Held(PaymentHash, Msat),
    /// The wallet has the payment.
    Paid(PaymentHash, Msat),
    /// The wallet says that the invoice can still be paid.
    StillOpen(PaymentHash),
    /// The wallet says that the invoice can no longer be paid, or that what it held is gone.
    Lapsed(PaymentHash),
    /// The customer withdraws the request.
    Cancelled,
    /// Enough relays have the result.
    Delivered,
    /// No relay takes the result.
    Undeliverable,
    /// The node has started again.
    Restarted,
    /// It has, and the guests that the job was taken with are gone.
    Orphaned,
}

/// What to do next. Everything visible follows the commit of the state beside it.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Put it in the line for a worker, as soon as its inputs are at hand.
    Enqueue,
    /// Take it out of the line, or stop its work.
    Stop,
    /// Run this attempt, on the routes from this one on.
    Run {
        /// Counted from 1.
        attempt: u32,
        /// Index into the ranked routes.
        route: usize,
    },
    /// Ask verification about the stored output.
    Judge {
        /// Which attempt's.
        attempt: u32,
    },
    /// Ask pricing what is due for the stored output.
    Meter {
        /// Which attempt's.
        attempt: u32,
    },
    /// Ask the wallet for an invoice of exactly this.
    Invoice {
        /// Exactly this.
        amount: Msat,
        /// Locked when paid, taken on success.
        hold: bool,
    },
    /// Take what the wallet holds.
    Claim(PaymentHash),
    /// Let go what the wallet holds, or close what is open.
    Release(PaymentHash),
    /// Tell the customer how it stands.
    Tell(Status),
    /// Send the result, with the invoice of the state if one is open.
    Deliver,
    /// Book this as earned.
    Earn {
        /// How much.
        amount: Msat,
        /// Why.
        source: Source,
        /// Which payment.
        payment_hash: PaymentHash,
    },
    /// Tell those who watch.
    Announce(DomainEvent),
}

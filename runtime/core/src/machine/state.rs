//! The row of a job.

use super::columns::{Delivery, Execution, Invoicing, Settlement};
use super::failure::Failure;
use super::plan::Plan;
use crate::decision::{Offer, REDACTED};
use crate::payment::Invoice;
use crate::work::{Evidence, Output};
use crate::{Job, Msat, PaymentHash, UnixTime};
use std::sync::Arc;

/// Replaces a text of a guest after its retention period.
const PURGED: &str = "text no longer kept";

/// The state of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobState {
    /// The request. It never changes.
    pub job: Arc<Job>,
    /// The agreed plan. It never changes.
    pub plan: Arc<Plan>,
    /// Execution.
    pub execution: Execution,
    /// Delivery of the result.
    pub delivery: Delivery,
    /// The invoice.
    pub invoicing: Invoicing,
    /// The payment.
    pub settlement: Settlement,
    /// The last attempt begun; 0 before the first.
    pub attempt: u32,
    /// Index of the first route to try.
    pub route: usize,
    /// Of the last attempt.
    pub output: Option<Output>,
    /// Of the last attempt.
    pub evidence: Option<Evidence>,
    /// The amount to pay, once it is known.
    pub due: Msat,
    /// The wallet's invoice.
    pub invoice: Option<Invoice>,
    /// The amount that the wallet received.
    pub paid: Msat,
    /// Why there is no result.
    pub failure: Option<Failure>,
    /// When it was admitted.
    pub received_at: UnixTime,
    /// When the last attempt began.
    pub started_at: Option<UnixTime>,
    /// When it completed, failed or was cancelled.
    pub ended_at: Option<UnixTime>,
    /// When its texts were purged. After that the job cannot be read or replayed.
    pub text_purged_at: Option<UnixTime>,
}

impl JobState {
    /// Whether execution has ended.
    pub const fn is_over(&self) -> bool {
        self.execution.is_over()
    }

    /// Whether nothing is outstanding: no work, no delivery, no payment.
    pub fn is_closed(&self) -> bool {
        self.is_over()
            && self.delivery != Delivery::Queued
            && !matches!(self.settlement, Settlement::Pending | Settlement::Held)
            && self.invoicing != Invoicing::Created
            && !self.is_cancelling()
    }

    /// Whether the invoice was cancelled and the wallet has not confirmed it.
    pub fn is_cancelling(&self) -> bool {
        self.settlement == Settlement::Cancelled && self.invoicing == Invoicing::Open
    }

    /// Whether the payment comes before the result.
    pub fn is_prepaid(&self) -> bool {
        self.plan.offer.terms.is_prepaid()
    }

    /// Whether the result waits for the operator's decision.
    pub const fn is_in_review(&self) -> bool {
        matches!(self.delivery, Delivery::InReview)
    }

    /// Whether the text is still needed for work or review. Until then a confidential job keeps it.
    pub fn needs_text(&self) -> bool {
        !self.is_over() || self.delivery == Delivery::InReview
    }

    /// Without the texts of the customer and the guests: what is stored of a confidential job
    /// unencrypted.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let with = |_: &str| REDACTED.to_owned();
        Self {
            job: Arc::new(self.job.redacted()),
            output: None,
            evidence: self.evidence.as_ref().map(|evidence| evidence.redact(with)),
            failure: self.failure.as_ref().map(|failure| failure.redact(with)),
            ..self.clone()
        }
    }

    /// The state that is kept permanently: numbers, times, money, and the retained view of the
    /// request.
    #[must_use]
    pub fn retained_view(&self, purged_at: UnixTime) -> Self {
        let with = |_: &str| PURGED.to_owned();
        let state = if self.job.confidential {
            self.redacted()
        } else {
            Self {
                job: Arc::new(self.job.retained_view(&self.plan.public)),
                output: None,
                evidence: self.evidence.as_ref().map(|evidence| evidence.redact(with)),
                failure: self.failure.as_ref().map(|failure| failure.redact(with)),
                ..self.clone()
            }
        };
        Self { text_purged_at: Some(purged_at), ..state }
    }

    /// Whether its texts are purged as soon as they are not needed: those of confidential and
    /// withdrawn jobs.
    pub fn drops_text(&self) -> bool {
        !self.needs_text() && (self.job.confidential || self.execution == Execution::Cancelled)
    }

    /// The payment hash of the invoice, if there is one.
    pub fn payment_hash(&self) -> Option<PaymentHash> {
        self.invoice.as_ref().map(|invoice| invoice.payment_hash)
    }

    /// The offer by which the customer is charged: that for the route that did the work, and
    /// before the work that for the first route.
    pub fn offer(&self) -> &Offer {
        match &self.evidence {
            Some(evidence) => self.plan.offer_for(&evidence.route),
            None => &self.plan.offer,
        }
    }

    /// The most that may be charged.
    pub fn cap(&self) -> Msat {
        let cap = self.offer().cap;
        self.job.bid.map_or(cap, |bid| bid.min(cap))
    }
}

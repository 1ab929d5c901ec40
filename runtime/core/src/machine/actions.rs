//! What a step asks the driver to do: some of it within the commit of the new state, the rest after
//! it.

use crate::earnings::EarningSource;
use crate::event::DomainEvent;
use crate::message::JobStatus;
use crate::{Msat, PaymentHash};

/// What one step asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Done before the commit, recorded in it. Nothing of it is visible before the commit.
    pub commit: Vec<CommitAction>,
    /// Done after the commit.
    pub effects: Vec<Effect>,
}

/// Part of the commit: it asks a guest or writes a row, and may lead to another event.
#[derive(Clone, Debug, PartialEq)]
pub enum CommitAction {
    /// Join the queue for a worker. If one is free, the attempt begins in the same commit.
    Enqueue,
    /// Ask verification about the stored output.
    Judge {
        /// The attempt that made it.
        attempt: u32,
    },
    /// Ask pricing for the amount due for the stored output.
    SettlePrice {
        /// The attempt that made it.
        attempt: u32,
    },
    /// Send this status to the customer.
    SendFeedback(JobStatus),
    /// Send the result, with the open invoice if there is one.
    Deliver,
    /// Record a settled payment.
    Earn {
        /// The amount.
        amount: Msat,
        /// What it was for.
        source: EarningSource,
        /// The payment.
        payment_hash: PaymentHash,
    },
}

/// A visible effect. Each follows a committed row that makes it repeatable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Fetch the inputs, then join the queue for a worker.
    FetchInputs,
    /// Run this attempt on the routes from this one on.
    Run {
        /// Counted from 1.
        attempt: u32,
        /// Index into the ranked routes.
        route: usize,
    },
    /// Leave the queue and stop whatever runs.
    Abort,
    /// Create an invoice.
    CreateInvoice {
        /// The exact amount.
        amount: Msat,
        /// A hold invoice.
        hold: bool,
    },
    /// Settle the held payment.
    SettleHold(PaymentHash),
    /// Cancel the invoice: return what is held, close what is open.
    CancelInvoice(PaymentHash),
    /// Notify observers.
    EmitEvent(DomainEvent),
}

impl Step {
    pub(super) fn send_feedback(&mut self, status: JobStatus) {
        self.commit.push(CommitAction::SendFeedback(status));
    }

    pub(super) fn emit(&mut self, event: DomainEvent) {
        self.effects.push(Effect::EmitEvent(event));
    }

    pub(super) fn cancel_invoice(&mut self, hash: PaymentHash) {
        self.effects.push(Effect::CancelInvoice(hash));
    }
}

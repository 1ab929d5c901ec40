//! The transitions of the payment. Only the wallet's reports credit a job; a payment for work that
//! was not done is owed back.

use super::actions::{CommitAction, Effect, Step};
use super::columns::{Delivery, Execution, Invoicing, Settlement};
use super::ending::{complete, fail};
use super::failure::Failure;
use super::state::JobState;
use super::work::start_work;
use crate::decision::Terms;
use crate::earnings::EarningSource;
use crate::event::DomainEvent;
use crate::message::JobStatus;
use crate::payment::Invoice;
use crate::{Msat, PaymentHash, UnixTime};

/// The output was accepted.
pub(super) fn accepted(state: &mut JobState, out: &mut Step, now: UnixTime) {
    match state.plan.offer.terms {
        Terms::Free => complete(state, out, now),
        Terms::OnDelivery => {
            out.commit.push(CommitAction::SettlePrice { attempt: state.attempt });
        }
        Terms::BeforeWork | Terms::Hold if state.settlement == Settlement::Paid => {
            complete(state, out, now);
        }
        Terms::BeforeWork => {
            fail(state, out, Failure::Payment("no payment was received".into()), now);
        }
        // The result waits until the hold is settled.
        Terms::Hold => out.effects.extend(state.payment_hash().map(Effect::SettleHold)),
    }
}

/// Pricing answered with the amount due.
pub(super) fn amount_due(
    state: &mut JobState,
    out: &mut Step,
    due: Msat,
    step: Msat,
    now: UnixTime,
) {
    state.due = due.to_step(step, state.cap());
    if state.due.is_zero() {
        complete(state, out, now);
    } else {
        state.invoicing = Invoicing::Created;
        out.effects.push(Effect::CreateInvoice { amount: state.due, hold: false });
    }
}

/// The wallet created the invoice.
pub(super) fn invoiced(state: &mut JobState, out: &mut Step, invoice: Invoice, now: UnixTime) {
    if state.invoicing != Invoicing::Created {
        // The request was withdrawn in the meantime.
        if state.invoice.is_none() {
            out.cancel_invoice(invoice.payment_hash);
        }
        return;
    }
    // The customer pays the agreed amount, whatever the wallet wrote.
    if invoice.amount != state.due {
        out.cancel_invoice(invoice.payment_hash);
        invoice_failed(state, out, now);
        return;
    }
    out.emit(DomainEvent::InvoiceCreated {
        job_id: state.job.id,
        bolt11: invoice.bolt11.clone(),
        amount_msats: invoice.amount,
        timestamp: now,
    });
    state.invoicing = Invoicing::Open;
    state.settlement = Settlement::Pending;
    if state.execution == Execution::AwaitingPayment {
        let bolt11 = invoice.bolt11.clone();
        out.send_feedback(JobStatus::PaymentRequired { amount: invoice.amount, bolt11 });
        state.invoice = Some(invoice);
    } else {
        state.invoice = Some(invoice);
        complete(state, out, now);
    }
}

/// The wallet refuses to create an invoice.
pub(super) fn invoice_failed(state: &mut JobState, out: &mut Step, now: UnixTime) {
    if state.invoicing == Invoicing::Created {
        state.invoicing = Invoicing::Cancelled;
        fail(state, out, Failure::Payment("no invoice can be created now".into()), now);
    }
}

/// The wallet holds the payment.
pub(super) fn held(
    state: &mut JobState,
    out: &mut Step,
    hash: PaymentHash,
    amount: Msat,
    now: UnixTime,
) {
    if state.payment_hash() != Some(hash) || state.settlement == Settlement::Paid {
        return;
    }
    if state.settlement == Settlement::Held {
        // Reported again while the result waits for it: settling the hold failed.
        if state.execution == Execution::Processing
            && state.output.is_some()
            && !state.is_in_review()
        {
            out.effects.push(Effect::SettleHold(hash));
        }
        return;
    }
    if state.execution != Execution::AwaitingPayment {
        out.cancel_invoice(hash);
        return;
    }
    state.settlement = Settlement::Held;
    if amount < state.due {
        fail(state, out, underpaid(amount, state.due), now);
        return;
    }
    start_work(state, out);
}

/// The wallet received the payment.
pub(super) fn paid(
    state: &mut JobState,
    out: &mut Step,
    hash: PaymentHash,
    amount: Msat,
    now: UnixTime,
) {
    let before = state.settlement;
    if state.payment_hash() != Some(hash)
        || matches!(before, Settlement::Paid | Settlement::RefundDue | Settlement::Refunded)
    {
        return;
    }
    state.paid = amount;
    out.emit(DomainEvent::PaymentReceived {
        job_id: state.job.id,
        amount_msats: amount,
        timestamp: now,
    });
    match state.execution {
        // The customer was told that nothing is charged.
        Execution::Completed if state.delivery == Delivery::Failed => {
            state.settlement = Settlement::RefundDue;
        }
        Execution::Completed => {
            state.settlement = Settlement::Paid;
            earn(state, out);
        }
        Execution::AwaitingPayment if amount >= state.due => {
            state.settlement = Settlement::Paid;
            start_work(state, out);
        }
        Execution::AwaitingPayment => {
            state.settlement = Settlement::RefundDue;
            fail(state, out, underpaid(amount, state.due), now);
        }
        Execution::Processing
            if before == Settlement::Held && state.output.is_some() && !state.is_in_review() =>
        {
            state.settlement = Settlement::Paid;
            complete(state, out, now);
        }
        // The wallet settled the hold early: the work continues as prepaid.
        Execution::Received | Execution::Processing => state.settlement = Settlement::Paid,
        Execution::Failed | Execution::Cancelled => state.settlement = Settlement::RefundDue,
    }
}

/// The invoice is no longer payable, or the held payment was returned.
pub(super) fn invoice_expired(
    state: &mut JobState,
    out: &mut Step,
    hash: PaymentHash,
    now: UnixTime,
) {
    if state.payment_hash() != Some(hash) {
        return;
    }
    match (state.settlement, state.execution) {
        // Only a delivered result is owed for: any other invoice ends below.
        (Settlement::Pending, Execution::Completed) if state.delivery == Delivery::Delivered => {
            state.invoicing = Invoicing::Expired;
            state.settlement = Settlement::Unpaid;
        }
        (Settlement::Pending, Execution::AwaitingPayment) => {
            state.invoicing = Invoicing::Expired;
            state.settlement = Settlement::Cancelled;
            state.execution = Execution::Cancelled;
            state.ended_at = Some(now);
            let error = String::from("payment: the invoice expired");
            out.send_feedback(JobStatus::Error(error.clone()));
            out.emit(DomainEvent::JobFailed { job_id: state.job.id, error, timestamp: now });
        }
        (Settlement::Held, Execution::Received | Execution::Processing) => {
            out.effects.push(Effect::Abort);
            state.settlement = Settlement::Cancelled;
            state.invoicing = Invoicing::Expired;
            fail(state, out, Failure::Payment("the held payment was returned".into()), now);
        }
        (Settlement::Pending | Settlement::Held, _) => {
            state.invoicing = Invoicing::Expired;
            state.settlement = Settlement::Cancelled;
        }
        (Settlement::Cancelled, _) if state.invoicing == Invoicing::Open => {
            state.invoicing = Invoicing::Cancelled
        }
        _ => {}
    }
}

/// The invoice is still payable: if it was cancelled, it is cancelled again.
pub(super) fn invoice_open(state: &JobState, out: &mut Step, hash: PaymentHash) {
    if state.payment_hash() == Some(hash) && state.is_cancelling() {
        out.cancel_invoice(hash);
    }
}

fn underpaid(paid: Msat, due: Msat) -> Failure {
    Failure::Payment(format!("received {paid} of {due}"))
}

/// The price is for the job, anything above it is a tip. A lower payment is all for the job.
pub(super) fn earn(state: &JobState, out: &mut Step) {
    let Some(payment_hash) = state.payment_hash() else { return };
    let price = state.paid.min(state.due);
    let tip = state.paid.saturating_sub(state.due);
    for (amount, source) in [(price, EarningSource::Job), (tip, EarningSource::Tip)] {
        if !amount.is_zero() {
            out.commit.push(CommitAction::Earn { amount, source, payment_hash });
        }
    }
}

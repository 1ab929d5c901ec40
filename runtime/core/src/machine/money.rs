//! The transitions of the money. Only the wallet's word credits a job; what came for work that was not done is owed back.

use super::transition::{complete, fail};
use super::{Action, Execution, Failure, Invoicing, JobState, Settlement};
use crate::decision::Terms;
use crate::event::DomainEvent;
use crate::ports::journal::Source;
use crate::ports::market::Status;
use crate::ports::payments::Invoice;
use crate::{Msat, PaymentHash, UnixTime};

/// Verification has accepted the output.
pub(super) fn accepted(state: &mut JobState, todo: &mut Vec<Action>, now: UnixTime) {
    match state.plan.offer.terms {
        Terms::Free => complete(state, todo, now),
        Terms::OnDelivery => todo.push(Action::Meter { attempt: state.attempt }),
        Terms::BeforeWork | Terms::Hold if state.settlement == Settlement::Paid => {
            earn(state, todo);
            complete(state, todo, now);
        }
        Terms::BeforeWork => fail(state, todo, Failure::Payment("nothing came".into()), now),
        // The result waits until the lock has become money.
        Terms::Hold => todo.extend(state.payment_hash().map(Action::Claim)),
    }
}

/// Pricing has said what is due.
pub(super) fn metered(
    state: &mut JobState,
    todo: &mut Vec<Action>,
    due: Msat,
    step: Msat,
    now: UnixTime,
) {
    state.due = due.to_step(step, state.cap());
    if state.due.is_zero() {
        complete(state, todo, now);
    } else {
        state.invoicing = Invoicing::Created;
        todo.push(Action::Invoice { amount: state.due, hold: false });
    }
}

/// The wallet has made the invoice.
pub(super) fn invoiced(
    state: &mut JobState,
    todo: &mut Vec<Action>,
    invoice: Invoice,
    now: UnixTime,
) {
    if state.invoicing != Invoicing::Created {
        // Withdrawn while the wallet was at it: nobody must pay this.
        if state.invoice.is_none() {
            todo.push(Action::Release(invoice.payment_hash));
        }
        return;
    }
    // A customer pays what was agreed, whatever the wallet wrote.
    if invoice.amount != state.due {
        todo.push(Action::Release(invoice.payment_hash));
        not_invoiced(state, todo, now);
        return;
    }
    todo.push(Action::Announce(DomainEvent::InvoiceCreated {
        job_id: state.job.id,
        bolt11: invoice.bolt11.clone(),
        amount_msats: invoice.amount,
        timestamp: now,
    }));
    state.invoicing = Invoicing::Open;
    state.settlement = Settlement::Pending;
    if state.execution == Execution::AwaitingPayment {
        todo.push(Action::Tell(Status::PaymentRequired {
            amount: invoice.amount,
            bolt11: invoice.bolt11.clone(),
        }));
        state.invoice = Some(invoice);
    } else {
        state.invoice = Some(invoice);
        complete(state, todo, now);
    }
}

/// The wallet will not make an invoice.
pub(super) fn not_invoiced(state: &mut JobState, todo: &mut Vec<Action>, now: UnixTime) {
    if state.invoicing == Invoicing::Created {
        state.invoicing = Invoicing::Cancelled;
        fail(state, todo, Failure::Payment("no invoice can be made now".into()), now);
    }
}

/// The wallet holds the payment.
pub(super) fn held(
    state: &mut JobState,
    todo: &mut Vec<Action>,
    hash: PaymentHash,
    amount: Msat,
    now: UnixTime,
) {
    if state.payment_hash() != Some(hash) || state.settlement == Settlement::Paid {
        return;
    }
    if state.settlement == Settlement::Held {
        // Said again while the result waits for it: taking it has failed.
        if state.execution == Execution::Processing
            && state.output.is_some()
            && !state.is_in_review()
        {
            todo.push(Action::Claim(hash));
        }
        return;
    }
    if state.execution != Execution::AwaitingPayment {
        todo.push(Action::Release(hash));
        return;
    }
    state.settlement = Settlement::Held;
    if amount < state.due {
        fail(state, todo, Failure::Payment(format!("{amount} came for {}", state.due)), now);
        return;
    }
    go_to_work(state, todo);
}

/// The wallet has the payment.
pub(super) fn paid(
    state: &mut JobState,
    todo: &mut Vec<Action>,
    hash: PaymentHash,
    amount: Msat,
    now: UnixTime,
) {
    let was = state.settlement;
    if state.payment_hash() != Some(hash)
        || matches!(was, Settlement::Paid | Settlement::RefundDue | Settlement::Refunded)
    {
        return;
    }
    state.paid = amount;
    todo.push(Action::Announce(DomainEvent::PaymentReceived {
        job_id: state.job.id,
        amount_msats: amount,
        timestamp: now,
    }));
    match state.execution {
        Execution::Completed => {
            state.settlement = Settlement::Paid;
            earn(state, todo);
        }
        Execution::AwaitingPayment if amount >= state.due => {
            state.settlement = Settlement::Paid;
            go_to_work(state, todo);
        }
        Execution::AwaitingPayment => {
            state.settlement = Settlement::RefundDue;
            fail(state, todo, Failure::Payment(format!("{amount} came for {}", state.due)), now);
        }
        Execution::Processing
            if was == Settlement::Held && state.output.is_some() && !state.is_in_review() =>
        {
            state.settlement = Settlement::Paid;
            earn(state, todo);
            complete(state, todo, now);
        }
        // A hold that the wallet took by itself: the work goes on, paid beforehand.
        Execution::Received | Execution::Processing => state.settlement = Settlement::Paid,
        Execution::Failed | Execution::Cancelled => state.settlement = Settlement::RefundDue,
    }
}

/// The invoice can no longer be paid, or what was held is gone.
pub(super) fn lapsed(
    state: &mut JobState,
    todo: &mut Vec<Action>,
    hash: PaymentHash,
    now: UnixTime,
) {
    if state.payment_hash() != Some(hash) {
        return;
    }
    match (state.settlement, state.execution) {
        (Settlement::Pending, Execution::Completed) => {
            state.invoicing = Invoicing::Expired;
            state.settlement = Settlement::Unpaid;
        }
        (Settlement::Pending, Execution::AwaitingPayment) => {
            state.invoicing = Invoicing::Expired;
            state.settlement = Settlement::Cancelled;
            state.execution = Execution::Cancelled;
            state.ended_at = Some(now);
            let error = String::from("payment: the invoice expired");
            todo.push(Action::Tell(Status::Error(error.clone())));
            todo.push(Action::Announce(DomainEvent::JobFailed {
                job_id: state.job.id,
                error,
                timestamp: now,
            }));
        }
        (Settlement::Held, Execution::Received | Execution::Processing) => {
            todo.push(Action::Stop);
            state.settlement = Settlement::Cancelled;
            state.invoicing = Invoicing::Expired;
            fail(state, todo, Failure::Payment("what was held is gone".into()), now);
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

/// The wallet says that the invoice can still be paid: one that was let go is let go again.
pub(super) fn still_open(state: &JobState, todo: &mut Vec<Action>, hash: PaymentHash) {
    if state.payment_hash() == Some(hash) && state.is_letting_go() {
        todo.push(Action::Release(hash));
    }
}

/// The work will not be done: a hold is let go, an open invoice closed, a prepayment owed back.
pub(super) fn let_go(state: &mut JobState, todo: &mut Vec<Action>) {
    match state.settlement {
        Settlement::Pending | Settlement::Held => {
            // The invoice stays open until the wallet says that it is gone.
            todo.extend(state.payment_hash().map(Action::Release));
            state.settlement = Settlement::Cancelled;
        }
        Settlement::Paid => state.settlement = Settlement::RefundDue,
        Settlement::None
        | Settlement::Unpaid
        | Settlement::Cancelled
        | Settlement::RefundDue
        | Settlement::Refunded => {}
    }
    if state.invoicing == Invoicing::Created {
        state.invoicing = Invoicing::Cancelled;
    }
}

fn go_to_work(state: &mut JobState, todo: &mut Vec<Action>) {
    state.execution = Execution::Received;
    todo.extend([Action::Tell(Status::Processing), Action::Enqueue]);
}

/// The price is the job's; what came above it is a tip; less than it is all the job's.
fn earn(state: &JobState, todo: &mut Vec<Action>) {
    let Some(payment_hash) = state.payment_hash() else { return };
    let price = state.paid.min(state.due);
    let tip = state.paid.saturating_sub(state.due);
    for (amount, source) in [(price, Source::Job), (tip, Source::Tip)] {
        if !amount.is_zero() {
            todo.push(Action::Earn { amount, source, payment_hash });
        }
    }
}

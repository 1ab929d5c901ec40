//! The ends of a job: completed, failed, withdrawn.

use super::actions::{CommitAction, Effect, Step};
use super::columns::{Delivery, Execution, Invoicing, Settlement};
use super::failure::Failure;
use super::money;
use super::state::JobState;
use crate::UnixTime;
use crate::decision::REDACTED;
use crate::event::DomainEvent;
use crate::message::JobStatus;

/// The work is done and the payment agreed: the result is sent.
pub(super) fn complete(state: &mut JobState, out: &mut Step, now: UnixTime) {
    state.execution = Execution::Completed;
    state.delivery = Delivery::Queued;
    state.ended_at = Some(now);
    out.commit.push(CommitAction::Deliver);
    out.emit(DomainEvent::JobCompleted {
        job_id: state.job.id,
        amount_msats: state.due,
        duration_ms: state.evidence.as_ref().map_or(0, |evidence| evidence.usage.work_ms),
        timestamp: now,
    });
}

/// There will be no result, and nothing is charged.
pub(super) fn fail(state: &mut JobState, out: &mut Step, failure: Failure, now: UnixTime) {
    state.execution = Execution::Failed;
    state.delivery = Delivery::None;
    state.ended_at = Some(now);
    cancel_invoice(state, out);
    out.send_feedback(JobStatus::Error(failure.message()));
    let error = if state.job.confidential {
        failure.redact(|_| REDACTED.into()).message()
    } else {
        failure.message()
    };
    out.emit(DomainEvent::JobFailed { job_id: state.job.id, error, timestamp: now });
    state.failure = Some(failure);
}

/// Enough relays have the result. What was paid before is earned now.
pub(super) fn delivered(state: &mut JobState, out: &mut Step) {
    state.delivery = Delivery::Delivered;
    state.failure = None;
    if state.settlement == Settlement::Paid && state.is_prepaid() {
        money::earn(state, out);
    }
}

/// The result will not be handed over: nothing is charged for it.
pub(super) fn undeliverable(state: &mut JobState, out: &mut Step) {
    state.delivery = Delivery::Failed;
    // Only the result contains an invoice that is due on delivery: who paid it has the result.
    if state.settlement == Settlement::Paid && !state.is_prepaid() {
        return;
    }
    cancel_invoice(state, out);
    out.send_feedback(JobStatus::Error(Failure::Undeliverable.message()));
    state.failure = Some(Failure::Undeliverable);
}

/// A task of the job panicked. It might do so again, so unfinished work ends.
pub(super) fn panicked(state: &mut JobState, out: &mut Step, now: UnixTime) {
    if !state.is_over() {
        out.effects.push(Effect::Abort);
        fail(state, out, Failure::Panicked, now);
    }
}

/// The customer withdrew the request.
pub(super) fn cancelled(state: &mut JobState, out: &mut Step, now: UnixTime) {
    if state.is_over() {
        return;
    }
    if state.execution != Execution::AwaitingPayment {
        out.effects.push(Effect::Abort);
    }
    state.execution = Execution::Cancelled;
    state.delivery = Delivery::None;
    state.ended_at = Some(now);
    cancel_invoice(state, out);
    let error = "withdrawn by the customer".into();
    out.emit(DomainEvent::JobFailed { job_id: state.job.id, error, timestamp: now });
}

/// The work will not be done: a hold or an open invoice is cancelled, a prepayment is owed back.
fn cancel_invoice(state: &mut JobState, out: &mut Step) {
    match state.settlement {
        Settlement::Pending | Settlement::Held => {
            // The invoice stays open until the wallet confirms that it is closed.
            state.payment_hash().into_iter().for_each(|hash| out.cancel_invoice(hash));
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

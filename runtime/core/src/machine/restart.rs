//! What a job does when the node restarts.

use super::actions::{Effect, Step};
use super::columns::{Execution, Invoicing, Settlement};
use super::ending::fail;
use super::failure::Failure;
use super::review;
use super::state::JobState;
use super::work::enqueue;
use crate::UnixTime;
use crate::decision::Terms;
use crate::job::JobError;

/// A job that was running at this many restarts is not started again.
const ATTEMPTS_MAX: u32 = 8;

/// Work that was interrupted starts again; what is stored is not repeated. A job that needs
/// unavailable guests fails, all others continue.
pub(super) fn restarted(state: &mut JobState, out: &mut Step, has_guests: bool, now: UnixTime) {
    match state.execution {
        // It still waits for the operator.
        Execution::Processing if state.is_in_review() => {}
        Execution::Processing
            if state.output.is_some() && state.invoicing == Invoicing::Created =>
        {
            out.effects.push(Effect::CreateInvoice { amount: state.due, hold: false });
        }
        Execution::Processing if state.output.is_some() && state.settlement == Settlement::Held => {
            out.effects.extend(state.payment_hash().map(Effect::SettleHold));
        }
        Execution::Received | Execution::Processing | Execution::AwaitingPayment if !has_guests => {
            review::replaced(state, out, now);
        }
        Execution::Received => enqueue(state, out),
        // A job that crashes the node would do so forever.
        Execution::Processing if state.attempt >= ATTEMPTS_MAX => {
            let why = format!("given up after {} attempts", state.attempt);
            fail(state, out, Failure::Job(JobError::Failed(why)), now);
        }
        Execution::Processing => {
            state.execution = Execution::Received;
            state.output = None;
            state.evidence = None;
            state.route = 0;
            enqueue(state, out);
        }
        Execution::AwaitingPayment if state.invoicing == Invoicing::Created => {
            let hold = state.plan.offer.terms == Terms::Hold;
            out.effects.push(Effect::CreateInvoice { amount: state.due, hold });
        }
        Execution::AwaitingPayment
        | Execution::Completed
        | Execution::Failed
        | Execution::Cancelled => {}
    }
}

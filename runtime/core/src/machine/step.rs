//! One step: what an event changes in a job's state, and which actions follow.

use super::actions::Step;
use super::columns::{Delivery, Execution, Invoicing};
use super::event::Event;
use super::failure::Failure;
use super::state::JobState;
use super::{ending, money, restart, review, work};
use crate::UnixTime;
use crate::decision::{Terms, Verdict};

/// Applies an event to the state and returns the actions that follow.
pub fn step(state: &mut JobState, event: Event, now: UnixTime) -> Step {
    let mut step = Step::default();
    let out = &mut step;
    match event {
        Event::InputsFailed(error) => {
            if state.execution == Execution::Received {
                ending::fail(state, out, Failure::Job(error), now);
            }
        }
        Event::Scheduled => work::scheduled(state, out, now),
        Event::AttemptFinished { attempt, partial_sent, outcome } => {
            if is_current(state, attempt) {
                work::attempt_finished(state, out, partial_sent, *outcome, now);
            }
        }
        Event::Judged { attempt, verdict } => {
            if has_undecided_output(state, attempt) {
                judged(state, out, verdict, now);
            }
        }
        Event::VerdictMissing { attempt } => {
            if has_undecided_output(state, attempt) {
                review::verdict_missing(state);
            }
        }
        Event::Accepted => review::accepted(state, out, now),
        Event::Rejected => review::rejected(state, out, now),
        Event::Drained => review::drained(state, out, now),
        Event::AmountDue { attempt, due, step } => {
            let is_expected =
                state.plan.offer.terms == Terms::OnDelivery && state.invoicing == Invoicing::None;
            if is_expected && has_undecided_output(state, attempt) {
                money::amount_due(state, out, due, step, now);
            }
        }
        Event::Invoiced(invoice) => money::invoiced(state, out, invoice, now),
        Event::InvoiceFailed => money::invoice_failed(state, out, now),
        Event::Held(hash, amount) => money::held(state, out, hash, amount, now),
        Event::Paid(hash, amount) => money::paid(state, out, hash, amount, now),
        Event::InvoiceOpen(hash) => money::invoice_open(state, out, hash),
        Event::InvoiceExpired(hash) => money::invoice_expired(state, out, hash, now),
        Event::Cancelled => ending::cancelled(state, out, now),
        Event::Delivered => {
            if matches!(state.delivery, Delivery::Queued | Delivery::Failed) {
                ending::delivered(state, out);
            }
        }
        Event::Undeliverable => {
            if state.delivery == Delivery::Queued {
                ending::undeliverable(state, out);
            }
        }
        Event::Panicked => ending::panicked(state, out, now),
        Event::Restarted => restart::restarted(state, out, true, now),
        Event::RestartedWithoutGuests => restart::restarted(state, out, false, now),
    }
    step
}

/// Answers about an earlier attempt are ignored.
fn is_current(state: &JobState, attempt: u32) -> bool {
    state.execution == Execution::Processing && state.attempt == attempt
}

/// Whether this attempt has an output that does not wait for the operator.
fn has_undecided_output(state: &JobState, attempt: u32) -> bool {
    is_current(state, attempt) && state.output.is_some() && !state.is_in_review()
}

/// Verification answered.
fn judged(state: &mut JobState, out: &mut Step, verdict: Verdict, now: UnixTime) {
    match verdict {
        Verdict::Accept => money::accepted(state, out, now),
        Verdict::Reject(why) => ending::fail(state, out, Failure::Rejected(why), now),
        Verdict::InvalidSetting(name) => {
            let failure = Failure::Rejected(format!("invalid setting: {name}"));
            ending::fail(state, out, failure, now);
        }
        Verdict::Retry(why) => {
            if state.route.saturating_add(1) < state.plan.routes.len() {
                state.route += 1;
                work::begin_attempt(state, out, now);
            } else {
                ending::fail(state, out, Failure::Rejected(why), now);
            }
        }
    }
}

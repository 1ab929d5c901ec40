//! The transitions of the work; those of the money are in `money.rs`.

use super::{Action, Delivery, Event, Execution, Failure, Invoicing, JobState, Plan, Settlement};
use super::{money, review};
use crate::decision::{Terms, Verdict, WITHHELD};
use crate::event::DomainEvent;
use crate::ports::guests::JobError;
use crate::ports::market::Status;
use crate::work::{Evidence, Output};
use crate::{Job, Msat, UnixTime};
use std::sync::Arc;

/// A job that was at work at so many starts of the node is not begun again.
const ATTEMPTS_MAX: u32 = 8;

/// Takes a job on the agreed plan.
pub fn admit(job: Job, mut plan: Plan, now: UnixTime) -> (JobState, Vec<Action>) {
    if job.confidential {
        // The policy may have quoted what it saw of the request.
        plan.offer.note.clear();
    }
    let terms = plan.offer.terms;
    let mut actions = vec![Action::Announce(DomainEvent::JobReceived {
        job_id: job.id,
        kind: job.kind,
        customer_pubkey: job.customer,
        timestamp: now,
    })];
    let mut state = JobState {
        job: Arc::new(job),
        plan: Arc::new(plan),
        execution: Execution::Received,
        delivery: Delivery::None,
        invoicing: Invoicing::None,
        settlement: Settlement::None,
        attempt: 0,
        route: 0,
        output: None,
        evidence: None,
        due: Msat::ZERO,
        invoice: None,
        paid: Msat::ZERO,
        failure: None,
        received_at: now,
        started_at: None,
        ended_at: None,
        text_gone_at: None,
    };
    match terms {
        Terms::Free | Terms::OnDelivery => {
            actions.extend([Action::Tell(Status::Processing), Action::Enqueue])
        }
        Terms::BeforeWork | Terms::Hold => {
            state.execution = Execution::AwaitingPayment;
            state.due = state.plan.offer.price;
            state.invoicing = Invoicing::Created;
            actions.push(Action::Invoice { amount: state.due, hold: terms == Terms::Hold });
        }
    }
    (state, actions)
}

/// Makes of a job what becomes of it when this happens, and says what to do about it.
pub fn step(state: &mut JobState, event: Event, now: UnixTime) -> Vec<Action> {
    let mut actions = Vec::new();
    let todo = &mut actions;
    match event {
        Event::NotGathered(error) => {
            if state.execution == Execution::Received {
                fail(state, todo, Failure::Job(error), now);
            }
        }
        Event::Scheduled => scheduled(state, todo, now),
        Event::Ran { attempt, partial_sent, outcome } => {
            if is_current(state, attempt) {
                ran(state, todo, partial_sent, *outcome, now);
            }
        }
        Event::Judged { attempt, verdict } => {
            if is_unjudged(state, attempt) {
                judged(state, todo, verdict, now);
            }
        }
        Event::Unjudged { attempt } => {
            if is_unjudged(state, attempt) {
                review::unjudged(state);
            }
        }
        Event::Released => review::released(state, todo, now),
        Event::Rejected => review::rejected(state, todo, now),
        Event::Drained => review::drained(state, todo, now),
        Event::Metered { attempt, due, step } => {
            let metered =
                state.plan.offer.terms == Terms::OnDelivery && state.invoicing == Invoicing::None;
            if metered && is_unjudged(state, attempt) {
                money::metered(state, todo, due, step, now);
            }
        }
        Event::Invoiced(invoice) => money::invoiced(state, todo, invoice, now),
        Event::NotInvoiced => money::not_invoiced(state, todo, now),
        Event::Held(hash, amount) => money::held(state, todo, hash, amount, now),
        Event::Paid(hash, amount) => money::paid(state, todo, hash, amount, now),
        Event::StillOpen(hash) => money::still_open(state, todo, hash),
        Event::Lapsed(hash) => money::lapsed(state, todo, hash, now),
        Event::Cancelled => cancelled(state, todo, now),
        Event::Delivered => {
            if matches!(state.delivery, Delivery::Queued | Delivery::Failed) {
                state.delivery = Delivery::Delivered;
            }
        }
        Event::Undeliverable => {
            if state.delivery == Delivery::Queued {
                state.delivery = Delivery::Failed;
            }
        }
        Event::Restarted => restarted(state, todo, false, now),
        Event::Orphaned => restarted(state, todo, true, now),
    }
    actions
}

/// An answer about an attempt that was given up says nothing about the job.
fn is_current(state: &JobState, attempt: u32) -> bool {
    state.execution == Execution::Processing && state.attempt == attempt
}

/// There is an output of this attempt that does not wait for the operator.
fn is_unjudged(state: &JobState, attempt: u32) -> bool {
    is_current(state, attempt) && state.output.is_some() && !state.is_in_review()
}

fn scheduled(state: &mut JobState, todo: &mut Vec<Action>, now: UnixTime) {
    if state.execution != Execution::Received {
        return;
    }
    // What nobody wants any more is not begun, and not charged.
    if state.job.expires_at.is_some_and(|at| at <= now) {
        fail(state, todo, Failure::Job(JobError::Invalid("expired".into())), now);
    } else {
        begin_attempt(state, todo, now);
    }
}

fn begin_attempt(state: &mut JobState, todo: &mut Vec<Action>, now: UnixTime) {
    state.execution = Execution::Processing;
    state.attempt += 1;
    state.output = None;
    state.evidence = None;
    state.started_at = Some(now);
    let model =
        state.plan.routes.get(state.route).map_or("", |route| route.place.model()).to_owned();
    todo.push(Action::Announce(DomainEvent::JobStarted {
        job_id: state.job.id,
        model,
        timestamp: now,
    }));
    todo.push(Action::Run { attempt: state.attempt, route: state.route });
}

fn ran(
    state: &mut JobState,
    todo: &mut Vec<Action>,
    partial_sent: bool,
    outcome: Result<(Output, Evidence), JobError>,
    now: UnixTime,
) {
    if state.output.is_some() {
        return;
    }
    match outcome {
        Ok((output, evidence)) => {
            // Once the customer has read from one route, no other may answer: the next to try is then past the last.
            state.route = match state.plan.routes.iter().position(|route| *route == evidence.route)
            {
                Some(index) if !partial_sent => index,
                _ => state.plan.routes.len(),
            };
            state.output = Some(output);
            state.evidence = Some(evidence);
            todo.push(Action::Judge { attempt: state.attempt });
        }
        Err(error) => fail(state, todo, Failure::Job(error), now),
    }
}

fn judged(state: &mut JobState, todo: &mut Vec<Action>, verdict: Verdict, now: UnixTime) {
    match verdict {
        Verdict::Accept => money::accepted(state, todo, now),
        Verdict::Reject(why) => fail(state, todo, Failure::Rejected(why), now),
        Verdict::Retry(why) => {
            if state.route.saturating_add(1) < state.plan.routes.len() {
                state.route += 1;
                begin_attempt(state, todo, now);
            } else {
                fail(state, todo, Failure::Rejected(why), now);
            }
        }
    }
}

/// The work is done and the money agreed: the result goes out.
pub(super) fn complete(state: &mut JobState, todo: &mut Vec<Action>, now: UnixTime) {
    state.execution = Execution::Completed;
    state.delivery = Delivery::Queued;
    state.ended_at = Some(now);
    todo.push(Action::Deliver);
    todo.push(Action::Announce(DomainEvent::JobCompleted {
        job_id: state.job.id,
        amount_msats: state.due,
        duration_ms: state.evidence.as_ref().map_or(0, |evidence| evidence.usage.work_ms),
        timestamp: now,
    }));
}

/// There will be no result, and nothing is charged.
pub(super) fn fail(state: &mut JobState, todo: &mut Vec<Action>, failure: Failure, now: UnixTime) {
    state.execution = Execution::Failed;
    state.delivery = Delivery::None;
    state.ended_at = Some(now);
    money::let_go(state, todo);
    todo.push(Action::Tell(Status::Error(failure.words())));
    let error = if state.job.confidential {
        failure.map_text(|_| WITHHELD.into()).words()
    } else {
        failure.words()
    };
    todo.push(Action::Announce(DomainEvent::JobFailed {
        job_id: state.job.id,
        error,
        timestamp: now,
    }));
    state.failure = Some(failure);
}

fn cancelled(state: &mut JobState, todo: &mut Vec<Action>, now: UnixTime) {
    if state.is_over() {
        return;
    }
    if state.execution != Execution::AwaitingPayment {
        todo.push(Action::Stop);
    }
    state.execution = Execution::Cancelled;
    state.delivery = Delivery::None;
    state.ended_at = Some(now);
    money::let_go(state, todo);
    let error = "withdrawn by the customer".into();
    todo.push(Action::Announce(DomainEvent::JobFailed {
        job_id: state.job.id,
        error,
        timestamp: now,
    }));
}

/// Whatever was under way is begun again; whatever is stored is not. What needs guests that are gone ends, the rest goes on.
fn restarted(state: &mut JobState, todo: &mut Vec<Action>, is_orphan: bool, now: UnixTime) {
    match state.execution {
        // It waits for the operator as before.
        Execution::Processing if state.is_in_review() => {}
        Execution::Processing
            if state.output.is_some() && state.invoicing == Invoicing::Created =>
        {
            todo.push(Action::Invoice { amount: state.due, hold: false });
        }
        Execution::Processing if state.output.is_some() && state.settlement == Settlement::Held => {
            todo.extend(state.payment_hash().map(Action::Claim));
        }
        Execution::Received | Execution::Processing | Execution::AwaitingPayment if is_orphan => {
            review::replaced(state, todo, now);
        }
        Execution::Received => todo.push(Action::Enqueue),
        // A job that takes the node down with it would do so for ever.
        Execution::Processing if state.attempt >= ATTEMPTS_MAX => {
            let why = format!("given up after {} attempts", state.attempt);
            fail(state, todo, Failure::Job(JobError::Failed(why)), now);
        }
        Execution::Processing => {
            state.execution = Execution::Received;
            state.output = None;
            state.evidence = None;
            state.route = 0;
            todo.push(Action::Enqueue);
        }
        Execution::AwaitingPayment if state.invoicing == Invoicing::Created => {
            todo.push(Action::Invoice {
                amount: state.due,
                hold: state.plan.offer.terms == Terms::Hold,
            });
        }
        Execution::AwaitingPayment
        | Execution::Completed
        | Execution::Failed
        | Execution::Cancelled => {}
    }
}

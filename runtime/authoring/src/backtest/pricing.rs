//! Pricing: the candidate's offer and, for a completed job, the amount due by that offer.

use super::case::{Money, Outcome, RecordedCase, Unknown};
use super::recorded::RecordedQuestion;
use crate::replay::{Question, ReplaySubject};
use pylon_core::decision::{Offer, QuoteContext, Refusal, Situation, Terms};
use pylon_core::decision_summary::{offer_summary, refusal_summary};
use pylon_core::guest::{Cost, GuestAnswer};
use pylon_core::machine::{Execution, JobState, Settlement};
use pylon_core::{Job, Msat};
use pylon_sandbox::Installed;

/// Asks the candidate for a price; `None` if the question is another.
pub(super) fn case(guest: &Installed, recorded: &RecordedQuestion) -> Option<RecordedCase> {
    let Ok(Question::Quote { job, context, situation }) = &recorded.question else { return None };
    let mut case = recorded.case(job);
    let answer = guest.quote(job, context, situation);
    add_call(&mut case, &answer);
    let model = context.route.target.model();
    let offer = within_bid(job, answer.value.map_err(|_| Refusal::Busy(0)));
    let answered_then =
        recorded.decision.output.as_ref().ok().and_then(|json| serde_json::from_str(json).ok());
    case.then = match (&recorded.subject, answered_then) {
        (ReplaySubject::Accepted(state), _) => accepted(&state.plan.offer, model),
        (_, Some(answer)) => outcome(&within_bid(job, Ok(answer)), model),
        (_, None) => refusal(&Refusal::Busy(0)),
    };
    case.now = outcome(&offer, model);
    case.money = match (&recorded.subject, &offer) {
        (ReplaySubject::Accepted(state), Err(_)) => {
            earned(state).map_or_else(in_progress, |then| known(then, Msat::ZERO))
        }
        (ReplaySubject::Accepted(state), Ok(offer)) => {
            let settled_in = recorded.settled_in.as_ref().unwrap_or(situation);
            money(guest, &mut case, job, context, state, offer, settled_in)
        }
        (_, Ok(offer)) => {
            Money::Unknown { why: Unknown::Usage, then: Msat::ZERO, asked: offer.price }
        }
        (_, Err(_)) => Money::Nothing,
    };
    Some(case)
}

/// The node's rule: an offer above the bid is a refusal, and so is a fault.
fn within_bid(
    job: &Job,
    answer: Result<Result<Offer, Refusal>, Refusal>,
) -> Result<Offer, Refusal> {
    let offer = answer??;
    match job.bid {
        Some(bid) if offer.price > bid => Err(Refusal::BidTooLow(offer.price)),
        _ => Ok(offer),
    }
}

fn outcome(offer: &Result<Offer, Refusal>, model: &str) -> Outcome {
    match offer {
        Ok(offer) => accepted(offer, model),
        Err(why) => refusal(why),
    }
}

fn accepted(offer: &Offer, model: &str) -> Outcome {
    Outcome::Accepted {
        summary: offer_summary(offer),
        price: Some(offer.price),
        model: model.into(),
    }
}

pub(super) fn refusal(refusal: &Refusal) -> Outcome {
    Outcome::Refused { code: refusal.code(), summary: refusal_summary(refusal) }
}

/// Adds fuel and fault of a call.
pub(super) fn add_call<T>(case: &mut RecordedCase, answer: &GuestAnswer<T>) {
    if let Cost::Fuel(fuel) = answer.call.cost {
        case.fuel_now.push(fuel);
    }
    case.faults.extend(answer.value.as_ref().err());
}

pub(super) const fn known(then: Msat, now: Msat) -> Money {
    Money::Known { then, now }
}

pub(super) const fn in_progress() -> Money {
    Money::Unknown { why: Unknown::InProgress, then: Msat::ZERO, asked: Msat::ZERO }
}

/// What a job has earned; `None` while it is in progress.
pub(super) fn earned(state: &JobState) -> Option<Msat> {
    let is_paid = state.execution == Execution::Completed && state.settlement == Settlement::Paid;
    state.is_closed().then(|| if is_paid { state.paid.min(state.due) } else { Msat::ZERO })
}

/// Of a job that was accepted and that the candidate accepts, too.
fn money(
    guest: &Installed,
    case: &mut RecordedCase,
    job: &Job,
    context: &QuoteContext,
    state: &JobState,
    offer: &Offer,
    settled_in: &Situation,
) -> Money {
    let Some(then) = earned(state) else { return in_progress() };
    let unknown = |why, asked| Money::Unknown { why, then, asked };
    let Some(evidence) =
        state.evidence.as_ref().filter(|_| state.execution == Execution::Completed)
    else {
        // Another price might have been prepaid; a failure does not depend on the price.
        let unpaid = state.execution == Execution::Cancelled && is_prepaid(state.plan.offer.terms);
        return if unpaid { unknown(Unknown::Unpaid, offer.price) } else { Money::Nothing };
    };
    if evidence.usage.output_tokens > offer.max_output_tokens
        || evidence.usage.work_ms > offer.max_work_ms
    {
        return unknown(Unknown::OverLimit, offer.price);
    }
    let due = match offer.terms {
        Terms::Free => Msat::ZERO,
        Terms::BeforeWork | Terms::Hold => offer.price,
        Terms::OnDelivery => {
            let answer =
                guest.settle(job, context, offer, &evidence.route, &evidence.usage, settled_in);
            add_call(case, &answer);
            let cap = job.bid.map_or(offer.cap, |bid| bid.min(offer.cap));
            // The node's rule: after a fault, the price is due.
            answer.value.unwrap_or(offer.price).to_step(context.step, cap)
        }
    };
    if due.is_zero() {
        known(then, due)
    } else if is_prepaid(offer.terms) && !is_prepaid(state.plan.offer.terms) {
        unknown(Unknown::Terms, due)
    } else if !state.due.is_zero() && state.settlement != Settlement::Paid {
        unknown(Unknown::Unpaid, due)
    } else if due > state.due {
        unknown(Unknown::PriceHigher, due)
    } else {
        known(then, due)
    }
}

const fn is_prepaid(terms: Terms) -> bool {
    matches!(terms, Terms::BeforeWork | Terms::Hold)
}

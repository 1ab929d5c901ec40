//! A pricing policy asked again: the offer, and for what was done, the amount due by that offer.

use super::asked::Asked;
use super::case::{Case, Money, Stand, Unknown};
use crate::replay::{Question, Subject};
use pylon_core::decision::{Offer, QuoteContext, Refusal, Situation, Terms};
use pylon_core::decision_summary::{offer_summary, refusal_summary};
use pylon_core::guest::{Cost, GuestAnswer};
use pylon_core::machine::{Execution, JobState, Settlement};
use pylon_core::{Job, Msat};
use pylon_sandbox::Installed;

/// Asks the candidate; `None` if this is no question about a price.
pub(super) fn case(guest: &Installed, asked: &Asked) -> Option<Case> {
    let Ok(Question::Quote { job, context, situation }) = &asked.question else { return None };
    let mut case = asked.case(job);
    let answer = guest.quote(job, context, situation);
    note(&mut case, &answer);
    let model = context.route.target.model();
    let offer_summary = agreed(job, answer.value.map_err(|_| Refusal::Busy(0)));
    let recorded =
        asked.recorded.output.as_ref().ok().and_then(|said| serde_json::from_str(said).ok());
    case.then = match &asked.subject {
        Subject::Taken(state) => yes(&state.plan.offer, model),
        _ => recorded
            .map_or_else(|| no(&Refusal::Busy(0)), |said| stand(&agreed(job, Ok(said)), model)),
    };
    case.now = stand(&offer_summary, model);
    case.money = match (&asked.subject, &offer_summary) {
        (Subject::Taken(state), Err(_)) => {
            over(state).map_or_else(open, |then| known(then, Msat::ZERO))
        }
        (Subject::Taken(state), Ok(offer)) => {
            let settled = asked.settled.as_ref().unwrap_or(situation);
            money(guest, &mut case, job, context, state, offer, settled)
        }
        (_, Ok(offer)) => {
            Money::Unknown { why: Unknown::Usage, then: Msat::ZERO, asked: offer.price }
        }
        (_, Err(_)) => Money::Nothing,
    };
    Some(case)
}

/// What the node makes of an answer: an offer above the bid is a refusal, and without an answer nothing is sold.
fn agreed(job: &Job, said: Result<Result<Offer, Refusal>, Refusal>) -> Result<Offer, Refusal> {
    let offer = said??;
    match job.bid {
        Some(bid) if offer.price > bid => Err(Refusal::BidTooLow(offer.price)),
        _ => Ok(offer),
    }
}

fn stand(offer_summary: &Result<Offer, Refusal>, model: &str) -> Stand {
    match offer_summary {
        Ok(offer) => yes(offer, model),
        Err(refusal) => no(refusal),
    }
}

fn yes(offer: &Offer, model: &str) -> Stand {
    Stand::Yes { words: offer_summary(offer), price: Some(offer.price), model: model.into() }
}

pub(super) fn no(refusal: &Refusal) -> Stand {
    Stand::No { code: refusal.code(), words: refusal_summary(refusal) }
}

pub(super) fn note<T>(case: &mut Case, answer: &GuestAnswer<T>) {
    if let Cost::Fuel(fuel) = answer.call.cost {
        case.fuel_now.push(fuel);
    }
    case.faults.extend(answer.value.as_ref().err());
}

pub(super) const fn known(then: Msat, now: Msat) -> Money {
    Money::Known { then, now }
}

pub(super) const fn open() -> Money {
    Money::Unknown { why: Unknown::Open, then: Msat::ZERO, asked: Msat::ZERO }
}

/// What a job has earned, if it is over.
pub(super) fn over(state: &JobState) -> Option<Msat> {
    let earned = state.execution == Execution::Completed && state.settlement == Settlement::Paid;
    state.is_closed().then(|| if earned { state.paid.min(state.due) } else { Msat::ZERO })
}

/// Of a job that was taken then and would be taken now.
fn money(
    guest: &Installed,
    case: &mut Case,
    job: &Job,
    context: &QuoteContext,
    state: &JobState,
    offer: &Offer,
    settled: &Situation,
) -> Money {
    let Some(then) = over(state) else { return open() };
    let unknown = |why, asked| Money::Unknown { why, then, asked };
    let Some(evidence) =
        state.evidence.as_ref().filter(|_| state.execution == Execution::Completed)
    else {
        // Who never paid beforehand may have paid another price; what failed by itself would have failed.
        let unpaid = state.execution == Execution::Cancelled && is_before(state.plan.offer.terms);
        return if unpaid { unknown(Unknown::Unpaid, offer.price) } else { Money::Nothing };
    };
    if evidence.usage.output_tokens > offer.max_output_tokens
        || evidence.usage.work_ms > offer.max_work_ms
    {
        return unknown(Unknown::Cut, offer.price);
    }
    let due = match offer.terms {
        Terms::Free => Msat::ZERO,
        Terms::BeforeWork | Terms::Hold => offer.price,
        Terms::OnDelivery => {
            let answer =
                guest.settle(job, context, offer, &evidence.route, &evidence.usage, settled);
            note(case, &answer);
            let cap = job.bid.map_or(offer.cap, |bid| bid.min(offer.cap));
            // As the node does it: without an answer the estimate holds.
            answer.value.unwrap_or(offer.price).to_step(context.step, cap)
        }
    };
    if due.is_zero() {
        known(then, due)
    } else if is_before(offer.terms) && !is_before(state.plan.offer.terms) {
        unknown(Unknown::Terms, due)
    } else if !state.due.is_zero() && state.settlement != Settlement::Paid {
        unknown(Unknown::Unpaid, due)
    } else if due > state.due {
        unknown(Unknown::Dearer, due)
    } else {
        known(then, due)
    }
}

const fn is_before(terms: Terms) -> bool {
    matches!(terms, Terms::BeforeWork | Terms::Hold)
}

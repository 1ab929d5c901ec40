//! Pricing: the candidate's offers for the routes of a request and, for a completed job, the amount
//! due by the offer for the route that did the work.

use super::case::{Money, Outcome, RecordedCase, Unknown};
use super::recorded::RecordedQuestion;
use crate::replay::{Question, ReplaySubject};
use pylon_core::decision::{QuoteContext, Refusal, Situation, Terms};
use pylon_core::decision_summary::{offer_summary, refusal_summary};
use pylon_core::guest::{Cost, GuestAnswer};
use pylon_core::machine::{Execution, JobState, Plan, Quotes, Settlement};
use pylon_core::work::Route;
use pylon_core::{Job, Msat};
use pylon_sandbox::Installed;

/// Asks the candidate for the price of each route; `None` if the question is another.
pub(super) fn case(guest: &Installed, recorded: &RecordedQuestion) -> Option<RecordedCase> {
    let Ok(Question::Quote { job, context, situation }) = &recorded.question else { return None };
    let mut case = recorded.case(job);
    let then = plan_then(job, context, recorded);
    let now = plan_now(guest, &mut case, job, context, situation, recorded);
    let served = match &recorded.subject {
        ReplaySubject::Accepted(state) => state.evidence.as_ref().map(|evidence| &evidence.route),
        _ => None,
    };
    case.then = outcome(then.as_ref(), served);
    case.now = outcome(now.as_ref(), served);
    case.money = match (&recorded.subject, &now) {
        (ReplaySubject::Accepted(state), Err(_)) => {
            earned(state).map_or_else(in_progress, |then| known(then, Msat::ZERO))
        }
        (ReplaySubject::Accepted(state), Ok(plan)) => {
            let settled_in = recorded.settled_in.as_ref().unwrap_or(situation);
            money(guest, &mut case, job, plan, state, settled_in)
        }
        (_, Ok(plan)) => {
            Money::Unknown { why: Unknown::Usage, then: Msat::ZERO, asked: plan.offer.price }
        }
        (_, Err(_)) => Money::Nothing,
    };
    Some(case)
}

/// The recorded plan. Of a refused request, what the recorded answers lead to.
fn plan_then(
    job: &Job,
    context: &QuoteContext,
    recorded: &RecordedQuestion,
) -> Result<Plan, Refusal> {
    if let ReplaySubject::Accepted(state) = &recorded.subject {
        return Ok(Plan::clone(&state.plan));
    }
    let mut quotes = Quotes::new(job);
    for (decision, context) in recorded.quotes(context) {
        let answer = decision.output.as_ref().ok().and_then(|json| serde_json::from_str(json).ok());
        quotes.add(context.route.clone(), answer.unwrap_or(Err(Refusal::Busy(0))));
    }
    quotes.into_plan(0, context, &[])
}

/// The plan by the candidate's answers, by the rules of the node.
fn plan_now(
    guest: &Installed,
    case: &mut RecordedCase,
    job: &Job,
    context: &QuoteContext,
    situation: &Situation,
    recorded: &RecordedQuestion,
) -> Result<Plan, Refusal> {
    let mut quotes = Quotes::new(job);
    for (_, context) in recorded.quotes(context) {
        let answer = guest.quote(job, context, situation);
        add_call(case, &answer);
        let is_answered = answer.value.is_ok();
        quotes.add(context.route.clone(), answer.value.unwrap_or(Err(Refusal::Busy(0))));
        if !is_answered {
            break;
        }
    }
    quotes.into_plan(0, context, &[])
}

/// The offer for the route that did the work; without it in the plan, that for the first.
fn outcome(plan: Result<&Plan, &Refusal>, served: Option<&Route>) -> Outcome {
    let plan = match plan {
        Ok(plan) => plan,
        Err(why) => return refusal(why),
    };
    let planned = served.filter(|route| plan.routes.contains(route)).or(plan.routes.first());
    let offer = planned.map_or(&plan.offer, |route| plan.offer_for(route));
    Outcome::Accepted {
        summary: offer_summary(offer),
        price: Some(offer.price),
        model: planned.map_or("", |route| route.target.model()).into(),
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
    plan: &Plan,
    state: &JobState,
    settled_in: &Situation,
) -> Money {
    let Some(then) = earned(state) else { return in_progress() };
    let unknown = |why, asked| Money::Unknown { why, then, asked };
    let terms_then = state.plan.offer.terms;
    let Some(evidence) =
        state.evidence.as_ref().filter(|_| state.execution == Execution::Completed)
    else {
        // Another price might have been prepaid; a failure does not depend on the price.
        let unpaid = state.execution == Execution::Cancelled && terms_then.is_prepaid();
        return if unpaid { unknown(Unknown::Unpaid, plan.offer.price) } else { Money::Nothing };
    };
    let (route, usage) = (&evidence.route, &evidence.usage);
    if !leads_to(plan, route, &state.plan) {
        return unknown(Unknown::Route, plan.offer.price);
    }
    let offer = plan.offer_for(route);
    if usage.output_tokens > plan.offer.max_output_tokens || usage.work_ms > plan.offer.max_work_ms
    {
        return unknown(Unknown::OverLimit, offer.price);
    }
    let due = match offer.terms {
        Terms::Free => Msat::ZERO,
        Terms::BeforeWork | Terms::Hold => offer.price,
        Terms::OnDelivery => {
            let context = plan.context_for(route);
            let answer = guest.settle(job, &context, offer, route, usage, settled_in);
            add_call(case, &answer);
            let cap = job.bid.map_or(offer.cap, |bid| bid.min(offer.cap));
            // The node's rule: after a fault, the price is due.
            answer.value.unwrap_or(offer.price).to_step(context.step, cap)
        }
    };
    if due.is_zero() {
        known(then, due)
    } else if offer.terms.is_prepaid() && !terms_then.is_prepaid() {
        unknown(Unknown::Terms, due)
    } else if !state.due.is_zero() && state.settlement != Settlement::Paid {
        unknown(Unknown::Unpaid, due)
    } else if due > state.due {
        unknown(Unknown::PriceHigher, due)
    } else {
        known(then, due)
    }
}

/// Whether a plan would have ended at the route that did the work: the routes that it tries before
/// are among those that failed then.
fn leads_to(plan: &Plan, served: &Route, then: &Plan) -> bool {
    match (routes_before(plan, served), routes_before(then, served)) {
        (Some(now), Some(then)) => now.iter().all(|route| then.contains(route)),
        _ => false,
    }
}

/// `None` if the plan does not have the route.
fn routes_before<'a>(plan: &'a Plan, served: &Route) -> Option<&'a [Route]> {
    plan.routes.get(..plan.routes.iter().position(|route| route == served)?)
}

//! Routing: the route that the candidate would have tried first.

use super::case::{Money, Outcome, RecordedCase, Unknown};
use super::pricing::{add_call, earned, in_progress, known, refusal};
use super::recorded::RecordedQuestion;
use crate::replay::{Question, ReplaySubject};
use pylon_core::Msat;
use pylon_core::decision::{Candidate, Ranking, Refusal};
use pylon_core::guest::Fault;
use pylon_sandbox::Installed;

/// Asks the candidate for an order; `None` if the question is another.
pub(super) fn case(guest: &Installed, recorded: &RecordedQuestion) -> Option<RecordedCase> {
    let Ok(Question::Rank { job, candidates, situation }) = &recorded.question else {
        return None;
    };
    let mut case = recorded.case(job);
    let answer = guest.rank(job, candidates, situation);
    add_call(&mut case, &answer);
    let answered_then = match &recorded.decision.output {
        Ok(json) => serde_json::from_str(json).map_err(|_| Fault::InvalidOutput),
        Err(fault) => Err(*fault),
    };
    case.then = outcome(&answered_then, candidates);
    case.now = outcome(&answer.value, candidates);
    let is_same = case.then == case.now;
    case.money = match &recorded.subject {
        ReplaySubject::Accepted(state) => match earned(state) {
            None => in_progress(),
            Some(then) if is_same => known(then, then),
            Some(then) if !case.now.is_accepted() => known(then, Msat::ZERO),
            Some(then) => Money::Unknown { why: Unknown::Route, then, asked: Msat::ZERO },
        },
        // Routing accepted the request, and pricing refused it.
        _ if case.then.is_accepted() || !case.now.is_accepted() => Money::Nothing,
        _ => Money::Unknown { why: Unknown::Usage, then: Msat::ZERO, asked: Msat::ZERO },
    };
    Some(case)
}

fn outcome(answer: &Result<Result<Ranking, Refusal>, Fault>, candidates: &[Candidate]) -> Outcome {
    let first = match answer {
        Ok(Ok(ranking)) => ranking.order.first().map_or(0, |index| *index as usize),
        Ok(Err(why)) => return refusal(why),
        // The node's rule: after a fault, the candidates are tried in their order.
        Err(_) => 0,
    };
    match candidates.get(first).map(|candidate| &candidate.route.target) {
        Some(target) => {
            let summary = format!("{} on {} first", target.model(), target.backend());
            Outcome::Accepted { summary, price: None, model: target.model().into() }
        }
        None => refusal(&Refusal::NoBackend),
    }
}

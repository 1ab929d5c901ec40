//! A routing policy asked again: who would have been tried first.

use super::asked::Asked;
use super::case::{Case, Money, Stand, Unknown};
use super::pricing::{known, no, note, open, over};
use crate::replay::{Question, Subject};
use pylon_core::Msat;
use pylon_core::decision::{Candidate, Ranking, Refusal};
use pylon_core::guest::Fault;
use pylon_sandbox::Installed;

/// Asks the candidate; `None` if this is no question about routes.
pub(super) fn case(guest: &Installed, asked: &Asked) -> Option<Case> {
    let Ok(Question::Rank { job, candidates, situation }) = &asked.question else { return None };
    let mut case = asked.case(job);
    let answer = guest.rank(job, candidates, situation);
    note(&mut case, &answer);
    let recorded = match &asked.recorded.output {
        Ok(said) => serde_json::from_str(said).map_err(|_| Fault::InvalidOutput),
        Err(fault) => Err(*fault),
    };
    case.then = stand(&recorded, candidates);
    case.now = stand(&answer.value, candidates);
    let is_same = case.then == case.now;
    case.money = match &asked.subject {
        Subject::Taken(state) => match over(state) {
            None => open(),
            Some(then) if is_same => known(then, then),
            Some(then) if !case.now.is_yes() => known(then, Msat::ZERO),
            Some(then) => Money::Unknown { why: Unknown::Route, then, asked: Msat::ZERO },
        },
        // Routing said yes then, too, and pricing said no.
        _ if case.then.is_yes() || !case.now.is_yes() => Money::Nothing,
        _ => Money::Unknown { why: Unknown::Usage, then: Msat::ZERO, asked: Msat::ZERO },
    };
    Some(case)
}

fn stand(said: &Result<Result<Ranking, Refusal>, Fault>, candidates: &[Candidate]) -> Stand {
    let first = match said {
        Ok(Ok(ranking)) => ranking.order.first().map_or(0, |index| *index as usize),
        Ok(Err(refusal)) => return no(refusal),
        // Routing that fails costs an order, not a job.
        Err(_) => 0,
    };
    match candidates.get(first).map(|candidate| &candidate.route.target) {
        Some(place) => {
            let words = format!("{} on {} first", place.model(), place.backend());
            Stand::Yes { words, price: None, model: place.model().into() }
        }
        None => no(&Refusal::NoBackend),
    }
}

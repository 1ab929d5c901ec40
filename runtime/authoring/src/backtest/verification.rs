//! A verification policy asked again: whether the output would have been delivered.

use super::asked::Asked;
use super::case::{Case, Money, Stand, Unknown};
use super::pricing::{known, note, open, over};
use crate::replay::{Question, Subject};
use pylon_core::Msat;
use pylon_core::decision::Verdict;
use pylon_core::decision_summary::Summarize as _;
use pylon_core::guest::Fault;
use pylon_sandbox::Installed;

/// Asks the candidate; `None` if this is no question about an output.
pub(super) fn case(guest: &Installed, asked: &Asked) -> Option<Case> {
    let Ok(Question::Judge { job, output, evidence, situation }) = &asked.question else {
        return None;
    };
    let mut case = asked.case(job);
    let answer = guest.judge(job, output, evidence, situation);
    note(&mut case, &answer);
    let recorded = match &asked.recorded.output {
        Ok(said) => serde_json::from_str(said).map_err(|_| Fault::InvalidOutput),
        Err(fault) => Err(*fault),
    };
    let model = evidence.route.target.model();
    case.then = stand(&recorded, model);
    case.now = stand(&answer.value, model);
    // A job's money hangs on its last attempt.
    let last = match &asked.subject {
        Subject::Taken(state) if state.attempt == asked.recorded.attempt => Some(state),
        _ => None,
    };
    case.money = match last.map(|state| over(state)) {
        None => Money::Nothing,
        Some(None) => open(),
        Some(Some(then)) => match (case.then.is_yes(), case.now.is_yes()) {
            (true, true) => known(then, then),
            (true, false) => known(then, Msat::ZERO),
            (false, true) => Money::Unknown { why: Unknown::Due, then, asked: Msat::ZERO },
            (false, false) => Money::Nothing,
        },
    };
    Some(case)
}

fn stand(said: &Result<Verdict, Fault>, model: &str) -> Stand {
    match said {
        Ok(verdict @ Verdict::Accept) => {
            Stand::Yes { words: verdict.summary(), price: None, model: model.into() }
        }
        Ok(verdict @ Verdict::Reject(_)) => Stand::No { code: "reject", words: verdict.summary() },
        Ok(verdict @ Verdict::Retry(_)) => Stand::No { code: "retry", words: verdict.summary() },
        Ok(verdict @ Verdict::InvalidSetting(_)) => {
            Stand::No { code: "invalid_setting", words: verdict.summary() }
        }
        Err(fault) => Stand::No { code: "fault", words: format!("no verdict: {fault}") },
    }
}

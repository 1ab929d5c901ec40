//! Verification: whether the candidate would have delivered the output.

use super::case::{Money, Outcome, RecordedCase, Unknown};
use super::pricing::{add_call, earned, in_progress, known};
use super::recorded::RecordedQuestion;
use crate::replay::{Question, ReplaySubject};
use pylon_core::Msat;
use pylon_core::decision::Verdict;
use pylon_core::decision_summary::Summarize as _;
use pylon_core::guest::Fault;
use pylon_sandbox::Installed;

/// Asks the candidate for a verdict; `None` if the question is another.
pub(super) fn case(guest: &Installed, recorded: &RecordedQuestion) -> Option<RecordedCase> {
    let Ok(Question::Judge { job, output, evidence, situation }) = &recorded.question else {
        return None;
    };
    let mut case = recorded.case(job);
    let answer = guest.judge(job, output, evidence, situation);
    add_call(&mut case, &answer);
    let answered_then = match &recorded.decision.output {
        Ok(json) => serde_json::from_str(json).map_err(|_| Fault::InvalidOutput),
        Err(fault) => Err(*fault),
    };
    let model = evidence.route.target.model();
    case.then = outcome(&answered_then, model);
    case.now = outcome(&answer.value, model);
    // The money of a job depends on its last attempt.
    let last = match &recorded.subject {
        ReplaySubject::Accepted(state) if state.attempt == recorded.decision.attempt => Some(state),
        _ => None,
    };
    case.money = match last.map(|state| earned(state)) {
        None => Money::Nothing,
        Some(None) => in_progress(),
        Some(Some(then)) => match (case.then.is_accepted(), case.now.is_accepted()) {
            (true, true) => known(then, then),
            (true, false) => known(then, Msat::ZERO),
            (false, true) => Money::Unknown { why: Unknown::NotSettled, then, asked: Msat::ZERO },
            (false, false) => Money::Nothing,
        },
    };
    Some(case)
}

fn outcome(answer: &Result<Verdict, Fault>, model: &str) -> Outcome {
    let refused = |code, summary| Outcome::Refused { code, summary };
    match answer {
        Ok(verdict @ Verdict::Accept) => {
            Outcome::Accepted { summary: verdict.summary(), price: None, model: model.into() }
        }
        Ok(verdict @ Verdict::Reject(_)) => refused("reject", verdict.summary()),
        Ok(verdict @ Verdict::Retry(_)) => refused("retry", verdict.summary()),
        Ok(verdict @ Verdict::InvalidSetting(_)) => refused("invalid_setting", verdict.summary()),
        Err(fault) => refused("fault", format!("no verdict: {fault}")),
    }
}

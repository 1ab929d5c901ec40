//! Replay of recorded decisions with the guests of that time. A policy has to answer the same with
//! the same fuel; a handler has to make the same output of what its host answered.
//!
//! `log` replays all decisions, `subject` is the request of a decision, `question` the recorded
//! call, `host` repeats the answers of a recorded host.

mod host;
mod log;
mod question;
mod subject;

pub use host::ReplayHost;
pub use log::{LogReport, MacReport, Problem, verify};
pub use question::{Question, QuestionError};
pub use subject::ReplaySubject;

use pylon_core::guest::{Cost, Fault, GuestAnswer, GuestFunction};
use pylon_core::job::JobError;
use pylon_core::ports::journal::JournalError;
use pylon_core::work::Output;
use pylon_journal::{ReadOnlyJournal, RecordedDecision};
use pylon_sandbox::Installed;
use pylon_slots::HistoricalGuests;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The result of replaying one decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// The same answer, and of a policy the same fuel.
    Equal,
    /// The same answer on another engine, whose fuel differs.
    OtherEngine,
    /// Something differs from the record.
    Differs(Vec<Difference>),
    /// It cannot be replayed.
    NotReplayable(NotReplayable),
}

/// Something that differs from the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `output`, `fuel`, `input`, `guest`, `function`.
    pub what: &'static str,
    /// In the record.
    pub recorded: String,
    /// Now.
    pub found: String,
}

/// Why a decision cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotReplayable {
    /// The text of a confidential job is not kept.
    Confidential,
    /// The text was purged at the end of its retention.
    TextPurged,
    /// The input was never recorded: by an older version, or because of its size.
    Unrecorded,
    /// A time limit ended the call, which is not deterministic.
    Timeout,
    /// The component cannot be loaded, with the reason.
    ComponentUnavailable(String),
}

impl NotReplayable {
    /// A word for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::TextPurged => "text_purged",
            Self::Unrecorded => "unrecorded",
            Self::Timeout => "timeout",
            Self::ComponentUnavailable(_) => "component_unavailable",
        }
    }

    /// A line for people.
    pub fn message(&self) -> String {
        match self {
            Self::Confidential => {
                "not replayable: the text of a confidential job is not kept".into()
            }
            Self::TextPurged => "not replayable: its text was purged".into(),
            Self::Unrecorded => "not replayable: its input is not recorded".into(),
            Self::Timeout => "not replayable: a time limit ended it".into(),
            Self::ComponentUnavailable(why) => {
                format!("not replayable: its component is unavailable: {why}")
            }
        }
    }
}

/// Replays one decision and compares.
pub async fn check(
    past: &mut HistoricalGuests,
    journal: &ReadOnlyJournal,
    recorded: &RecordedDecision,
    subject: &ReplaySubject,
) -> Result<ReplayOutcome, JournalError> {
    let question = match Question::read(journal, recorded, subject)? {
        Ok(question) => question,
        Err(QuestionError::NotReplayable(why)) => return Ok(ReplayOutcome::NotReplayable(why)),
        Err(QuestionError::Differs(difference)) => {
            return Ok(ReplayOutcome::Differs(vec![difference]));
        }
    };
    let (role, kind) = (question.role(), question.job().kind);
    let guest = match past.guest(recorded.revision, role, kind).await {
        Ok(guest) => guest,
        Err(why) => {
            return Ok(ReplayOutcome::NotReplayable(NotReplayable::ComponentUnavailable(why)));
        }
    };
    if let Some(difference) =
        other_guest(&guest, recorded).or_else(|| other_result(subject, recorded))
    {
        return Ok(ReplayOutcome::Differs(vec![difference]));
    }
    Ok(call(question, &guest, recorded).await)
}

fn unknown_function(recorded: &RecordedDecision) -> Difference {
    Difference {
        what: "function",
        recorded: recorded.function.clone(),
        found: "there is no such function".into(),
    }
}

/// The slot changes name the guest of that time, too.
fn other_guest(guest: &Installed, recorded: &RecordedDecision) -> Option<Difference> {
    let guest_ref = guest.guest_ref();
    let is_same = guest_ref.digest == recorded.digest
        && (&guest_ref.slot, &guest_ref.name, &guest_ref.version)
            == (&recorded.slot, &recorded.name, &recorded.version);
    let line = |slot: &str, name: &str, version: &str, digest: pylon_core::Digest| {
        format!("{slot} {name} {version} {digest}")
    };
    (!is_same).then(|| Difference {
        what: "guest",
        recorded: line(&recorded.slot, &recorded.name, &recorded.version, recorded.digest),
        found: line(&guest_ref.slot, &guest_ref.name, &guest_ref.version, guest_ref.digest),
    })
}

/// The row of the job has the output of the last attempt, too.
fn other_result(subject: &ReplaySubject, recorded: &RecordedDecision) -> Option<Difference> {
    let ReplaySubject::Accepted(state) = subject else { return None };
    let in_row = state.output.as_ref().filter(|_| {
        recorded.function == GuestFunction::Run.as_str() && recorded.attempt == state.attempt
    })?;
    let answer: Result<Output, JobError> =
        serde_json::from_str(recorded.output.as_ref().ok()?).ok()?;
    let is_same = answer.as_ref().is_ok_and(|output| output == in_row);
    (!is_same).then(|| Difference {
        what: "output",
        recorded: recorded.output.clone().unwrap_or_default(),
        found: serde_json::to_string(in_row).unwrap_or_default(),
    })
}

async fn call(question: Question, guest: &Installed, recorded: &RecordedDecision) -> ReplayOutcome {
    match question {
        Question::Rank { job, candidates, situation } => {
            compare(&guest.rank(&job, &candidates, &situation), recorded)
        }
        Question::Quote { job, context, situation } => {
            compare(&guest.quote(&job, &context, &situation), recorded)
        }
        Question::Settle { job, context, offer, route, usage, situation } => {
            compare(&guest.settle(&job, &context, &offer, &route, &usage, &situation), recorded)
        }
        Question::Judge { job, output, evidence, situation } => {
            compare(&guest.judge(&job, &output, &evidence, &situation), recorded)
        }
        Question::Run { job, deadline_ms, transcript, content } => {
            let host = match ReplayHost::new(Arc::clone(&job), transcript, content) {
                Ok(host) => Arc::new(host),
                Err(difference) => return ReplayOutcome::Differs(vec![difference]),
            };
            let answer = guest.run(&job, deadline_ms, Arc::clone(&host) as _).await;
            match host.divergence() {
                Some(difference) => ReplayOutcome::Differs(vec![difference]),
                None => compare(&answer, recorded),
            }
        }
    }
}

fn compare<T>(answer: &GuestAnswer<T>, recorded: &RecordedDecision) -> ReplayOutcome
where
    T: DeserializeOwned + PartialEq + serde::Serialize,
{
    let is_same = match (&answer.value, &recorded.output) {
        // Values, not texts: a later version may write more fields.
        (Ok(found), Ok(written)) => {
            serde_json::from_str::<T>(written).is_ok_and(|written| written == *found)
        }
        (Err(fault), Err(written)) => fault == written,
        _ => false,
    };
    let mut differences = Vec::new();
    if !is_same {
        let written = recorded.output.as_ref().map_or_else(Fault::to_string, Clone::clone);
        differences.push(Difference {
            what: "output",
            recorded: written,
            found: as_recorded(answer),
        });
    }
    let is_same_engine = *answer.call.engine == *recorded.engine;
    if is_same_engine
        && let (Cost::Fuel(found), Cost::Fuel(written)) = (answer.call.cost, recorded.cost)
        && found != written
    {
        differences.push(Difference {
            what: "fuel",
            recorded: written.to_string(),
            found: found.to_string(),
        });
    }
    match (differences.is_empty(), is_same_engine) {
        (false, _) => ReplayOutcome::Differs(differences),
        (true, true) => ReplayOutcome::Equal,
        (true, false) => ReplayOutcome::OtherEngine,
    }
}

/// An answer as the journal stores it.
fn as_recorded<T: serde::Serialize>(answer: &GuestAnswer<T>) -> String {
    match &answer.value {
        Ok(value) => serde_json::to_string(value).unwrap_or_default(),
        Err(fault) => fault.to_string(),
    }
}

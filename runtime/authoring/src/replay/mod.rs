//! Asks what was asked before, of the guests of that time, and compares: a policy answers the same with the same fuel, a handler makes the same of
//! what it heard from its host.
//!
//! `log` does it for all, `subject` is what a decision was about, `question` what was asked, `playback` a host that says again what it said.

mod log;
mod playback;
mod question;
mod subject;

pub use log::{Problem, Seals, Verified, verify};
pub use playback::Playback;
pub use question::{Question, Unasked};
pub use subject::Subject;

use pylon_core::guest::{Cost, Fault, GuestAnswer, GuestFunction};
use pylon_core::job::JobError;
use pylon_core::ports::journal::JournalError;
use pylon_core::work::Output;
use pylon_journal::{ReadOnlyJournal, RecordedDecision};
use pylon_sandbox::Installed;
use pylon_slots::HistoricalGuests;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// What came of asking again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The same answer, and of a policy the same fuel.
    Equal,
    /// The same answer on another engine, whose fuel is another.
    OtherEngine,
    /// Something is not as it was written.
    Differs(Vec<Difference>),
    /// It cannot be asked again.
    Gone(Gone),
}

/// What is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `output`, `fuel`, `input`, `guest`, `row`, ….
    pub what: &'static str,
    /// As it was written.
    pub recorded: String,
    /// As it comes out.
    pub found: String,
}

/// Why a question cannot be asked again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gone {
    /// The text of a confidential job is not kept.
    Confidential,
    /// The text was kept for its time, and let go.
    Text,
    /// What was heard was never written down: by an older pylon, or because it was too much.
    Unrecorded,
    /// A clock ended the call, and no clock runs twice the same.
    Timed,
    /// The component cannot be run; in a line.
    Component(String),
}

impl Gone {
    /// In a word, for programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Text => "text_gone",
            Self::Unrecorded => "unrecorded",
            Self::Timed => "timed",
            Self::Component(_) => "component_gone",
        }
    }

    /// In a line, for people.
    pub fn words(&self) -> String {
        match self {
            Self::Confidential => "its text is gone: the job was confidential".into(),
            Self::Text => "its text is gone: it is no longer kept".into(),
            Self::Unrecorded => "what was heard is not recorded".into(),
            Self::Timed => "a clock ended it, which does not come out the same again".into(),
            Self::Component(why) => format!("its guest is gone: {why}"),
        }
    }
}

/// Asks one question again.
pub async fn check(
    past: &mut HistoricalGuests,
    books: &ReadOnlyJournal,
    recorded: &RecordedDecision,
    subject: &Subject,
) -> Result<Outcome, JournalError> {
    let question = match Question::of(books, recorded, subject)? {
        Ok(question) => question,
        Err(question::Unasked::Gone(gone)) => return Ok(Outcome::Gone(gone)),
        Err(question::Unasked::Differs(difference)) => {
            return Ok(Outcome::Differs(vec![difference]));
        }
    };
    let guest = match past.guest(recorded.revision, question.role(), question.job().kind).await {
        Ok(guest) => guest,
        Err(why) => return Ok(Outcome::Gone(Gone::Component(why))),
    };
    if let Some(difference) =
        other_guest(&guest, recorded).or_else(|| other_result(subject, recorded))
    {
        return Ok(Outcome::Differs(vec![difference]));
    }
    Ok(ask(question, &guest, recorded).await)
}

fn unknown_function(recorded: &RecordedDecision) -> Difference {
    Difference {
        what: "function",
        recorded: recorded.function.clone(),
        found: "no question is called so".into(),
    }
}

/// The history of the slots says who it was, too.
fn other_guest(guest: &Installed, recorded: &RecordedDecision) -> Option<Difference> {
    let guest_ref = guest.guest_ref();
    let is_same = guest_ref.digest == recorded.digest
        && (&guest_ref.slot, &guest_ref.name, &guest_ref.version)
            == (&recorded.slot, &recorded.name, &recorded.version);
    let words = |slot: &str, name: &str, version: &str, digest: pylon_core::Digest| {
        format!("{slot} {name} {version} {digest}")
    };
    (!is_same).then(|| Difference {
        what: "guest",
        recorded: words(&recorded.slot, &recorded.name, &recorded.version, recorded.digest),
        found: words(&guest_ref.slot, &guest_ref.name, &guest_ref.version, guest_ref.digest),
    })
}

/// What the last attempt made is in the job's row, too.
fn other_result(subject: &Subject, recorded: &RecordedDecision) -> Option<Difference> {
    let Subject::Taken(state) = subject else { return None };
    let made = state.output.as_ref().filter(|_| {
        recorded.function == GuestFunction::Run.as_str() && recorded.attempt == state.attempt
    })?;
    let written: Result<Output, JobError> =
        serde_json::from_str(recorded.output.as_ref().ok()?).ok()?;
    let is_same = written.as_ref().is_ok_and(|written| written == made);
    (!is_same).then(|| Difference {
        what: "output",
        recorded: recorded.output.clone().unwrap_or_default(),
        found: serde_json::to_string(made).unwrap_or_default(),
    })
}

async fn ask(question: Question, guest: &Installed, recorded: &RecordedDecision) -> Outcome {
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
            let host = match Playback::of(Arc::clone(&job), transcript, content) {
                Ok(host) => Arc::new(host),
                Err(difference) => return Outcome::Differs(vec![difference]),
            };
            let answer = guest.run(&job, deadline_ms, Arc::clone(&host) as _).await;
            match host.strayed() {
                Some(difference) => Outcome::Differs(vec![difference]),
                None => compare(&answer, recorded),
            }
        }
    }
}

fn compare<T>(answer: &GuestAnswer<T>, recorded: &RecordedDecision) -> Outcome
where
    T: DeserializeOwned + PartialEq + serde::Serialize,
{
    let is_same = match (&answer.value, &recorded.output) {
        // Read, not compared as it is written: a later pylon may write more of it.
        (Ok(said), Ok(written)) => {
            serde_json::from_str::<T>(written).is_ok_and(|written| written == *said)
        }
        (Err(fault), Err(written)) => fault == written,
        _ => false,
    };
    let mut differences = Vec::new();
    if !is_same {
        let written = recorded.output.as_ref().map_or_else(Fault::to_string, Clone::clone);
        differences.push(Difference { what: "output", recorded: written, found: said(answer) });
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
        (false, _) => Outcome::Differs(differences),
        (true, true) => Outcome::Equal,
        (true, false) => Outcome::OtherEngine,
    }
}

/// An answer as the journal would have it.
fn said<T: serde::Serialize>(answer: &GuestAnswer<T>) -> String {
    match &answer.value {
        Ok(said) => serde_json::to_string(said).unwrap_or_default(),
        Err(fault) => fault.to_string(),
    }
}

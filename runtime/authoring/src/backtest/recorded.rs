//! Recorded questions with all that a candidate needs to answer them, read from the journal.

use super::case::{Money, Outcome, RecordedCase};
use crate::replay::{NotReplayable, Question, QuestionError, ReplaySubject};
use pylon_core::decision::Situation;
use pylon_core::guest::{Cost, GuestFunction};
use pylon_core::machine::Execution;
use pylon_core::ports::journal::JournalError;
use pylon_core::work::{Route, Usage};
use pylon_core::{Job, UnixTime};
use pylon_journal::{Page, ReadOnlyJournal, RecordedDecision};
use pylon_sandbox::Role;

/// A question to the guest of that time.
pub(super) struct RecordedQuestion {
    pub(super) decision: RecordedDecision,
    pub(super) subject: ReplaySubject,
    pub(super) question: Result<Question, NotReplayable>,
    /// The situation in which the amount due was settled.
    pub(super) settled_in: Option<Situation>,
}

impl RecordedQuestion {
    /// A case without any answer yet.
    pub(super) fn case(&self, job: &Job) -> RecordedCase {
        let nothing = Outcome::Refused { code: "fault", summary: String::new() };
        let fuel_then = if let Cost::Fuel(fuel) = self.decision.cost { fuel } else { 0 };
        RecordedCase {
            job: job.id,
            kind: job.kind,
            customer: job.customer,
            at: self.decision.at,
            then: nothing.clone(),
            now: nothing,
            money: Money::Nothing,
            fuel_then,
            fuel_now: Vec::with_capacity(2),
            faults: Vec::new(),
        }
    }
}

/// The function of a policy whose decisions are compared; `None` for handlers.
pub(super) const fn function(role: Role) -> Option<GuestFunction> {
    match role {
        Role::Routing => Some(GuestFunction::Rank),
        Role::Pricing => Some(GuestFunction::Quote),
        Role::Verification => Some(GuestFunction::Judge),
        Role::Handler => None,
    }
}

/// Hands all questions to this function to `each`, in order and in pages, until that returns false.
pub(super) fn read(
    journal: &ReadOnlyJournal,
    function: GuestFunction,
    since: UnixTime,
    kind: Option<u16>,
    mut each: impl FnMut(Vec<RecordedQuestion>) -> bool,
) -> Result<(), JournalError> {
    let mut after = journal.last_id_before(since)?;
    loop {
        let page = journal.recorded(Page { after, function: Some(function), since })?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        let mut batch = Vec::with_capacity(page.len());
        for decision in page {
            let subject = ReplaySubject::read(journal, decision.job)?;
            if kind.is_none() || kind == subject.job().map(|job| job.kind) {
                batch.push(question(journal, decision, subject)?);
            }
        }
        if !each(batch) {
            return Ok(());
        }
    }
}

fn question(
    journal: &ReadOnlyJournal,
    decision: RecordedDecision,
    subject: ReplaySubject,
) -> Result<RecordedQuestion, JournalError> {
    let question = Question::read(journal, &decision, &subject)?.map_err(|error| match error {
        QuestionError::NotReplayable(why) => why,
        // `verify-log` reports the details.
        QuestionError::Differs(_) => NotReplayable::Unrecorded,
    });
    let settled_in = match &subject {
        ReplaySubject::Accepted(state)
            if decision.function == GuestFunction::Quote.as_str()
                && state.execution == Execution::Completed =>
        {
            let last = journal.recorded_last(decision.job, GuestFunction::Settle, state.attempt)?;
            last.and_then(|settled| {
                serde_json::from_str::<(Route, Usage, Situation)>(&settled.input).ok()
            })
        }
        _ => None,
    };
    let settled_in = settled_in.map(|(_, _, situation)| situation);
    Ok(RecordedQuestion { decision, subject, question, settled_in })
}

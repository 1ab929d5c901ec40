//! Recorded questions with all that a candidate needs to answer them, read from the journal.

use super::case::{Money, Outcome, RecordedCase};
use crate::replay::{NotReplayable, Question, QuestionError, ReplaySubject};
use pylon_core::decision::{QuoteContext, Situation};
use pylon_core::guest::{Cost, GuestFunction};
use pylon_core::machine::Execution;
use pylon_core::ports::journal::JournalError;
use pylon_core::work::{Route, Usage};
use pylon_core::{Job, UnixTime};
use pylon_journal::{Page, ReadOnlyJournal, RecordedDecision};
use pylon_sandbox::Role;
use std::iter;

/// A question to the guest of that time.
pub(super) struct RecordedQuestion {
    pub(super) decision: RecordedDecision,
    pub(super) subject: ReplaySubject,
    pub(super) question: Result<Question, NotReplayable>,
    /// Of a request that was priced on several routes: the decisions about the other routes.
    pub(super) fallbacks: Vec<(RecordedDecision, QuoteContext)>,
    /// The situation in which the amount due was settled.
    pub(super) settled_in: Option<Situation>,
}

impl RecordedQuestion {
    /// A case without any answer yet.
    pub(super) fn case(&self, job: &Job) -> RecordedCase {
        let nothing = Outcome::Refused { code: "fault", summary: String::new() };
        let decisions = self.fallbacks.iter().map(|(decision, _)| decision);
        let fuel = |decision: &RecordedDecision| match decision.cost {
            Cost::Fuel(fuel) => Some(fuel),
            Cost::CpuUs(_) => None,
        };
        RecordedCase {
            job: job.id,
            kind: job.kind,
            customer: job.customer,
            at: self.decision.at,
            then: nothing.clone(),
            now: nothing,
            money: Money::Nothing,
            fuel_then: iter::once(&self.decision).chain(decisions).filter_map(fuel).collect(),
            fuel_now: Vec::with_capacity(2),
            faults: Vec::new(),
        }
    }

    /// The decisions about all routes; `first` is the context of the question.
    pub(super) fn quotes<'a>(
        &'a self,
        first: &'a QuoteContext,
    ) -> impl Iterator<Item = (&'a RecordedDecision, &'a QuoteContext)> {
        let fallbacks = self.fallbacks.iter().map(|(decision, context)| (decision, context));
        iter::once((&self.decision, first)).chain(fallbacks)
    }

    fn add_fallback(
        &mut self,
        journal: &ReadOnlyJournal,
        decision: RecordedDecision,
    ) -> Result<(), JournalError> {
        match read_question(journal, &decision, &self.subject)? {
            Ok(Question::Quote { context, .. }) => self.fallbacks.push((decision, context)),
            Ok(_) => self.question = Err(NotReplayable::Unrecorded),
            Err(why) => self.question = Err(why),
        }
        Ok(())
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
/// All quotes for one request are one question.
pub(super) fn read(
    journal: &ReadOnlyJournal,
    function: GuestFunction,
    since: UnixTime,
    kind: Option<u16>,
    mut each: impl FnMut(Vec<RecordedQuestion>) -> bool,
) -> Result<(), JournalError> {
    let mut after = journal.last_id_before(since)?;
    // The quotes for one request can be on two pages.
    let mut open: Option<RecordedQuestion> = None;
    loop {
        let page = journal.recorded(Page { after, function: Some(function), since })?;
        let Some(last) = page.last() else {
            each(open.into_iter().collect());
            return Ok(());
        };
        after = last.id;
        let mut batch = Vec::with_capacity(page.len());
        for decision in page {
            let is_fallback = |open: &&mut RecordedQuestion| {
                function == GuestFunction::Quote && open.decision.job == decision.job
            };
            if let Some(open) = open.as_mut().filter(is_fallback) {
                open.add_fallback(journal, decision)?;
                continue;
            }
            batch.extend(open.take());
            let subject = ReplaySubject::read(journal, decision.job)?;
            if kind.is_none() || kind == subject.job().map(|job| job.kind) {
                open = Some(question(journal, decision, subject)?);
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
    let question = read_question(journal, &decision, &subject)?;
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
    Ok(RecordedQuestion { decision, subject, question, fallbacks: Vec::new(), settled_in })
}

fn read_question(
    journal: &ReadOnlyJournal,
    decision: &RecordedDecision,
    subject: &ReplaySubject,
) -> Result<Result<Question, NotReplayable>, JournalError> {
    Ok(Question::read(journal, decision, subject)?.map_err(|error| match error {
        QuestionError::NotReplayable(why) => why,
        // `verify-log` reports the details.
        QuestionError::Differs(_) => NotReplayable::Unrecorded,
    }))
}

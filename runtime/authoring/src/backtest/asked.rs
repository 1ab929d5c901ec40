//! A recorded question with all that a candidate needs to answer it, read from the books.

use super::case::{Case, Money, Stand};
use crate::replay::{Gone, Question, Subject, Unasked};
use pylon_core::decision::Situation;
use pylon_core::guest::{Cost, GuestFunction};
use pylon_core::machine::Execution;
use pylon_core::ports::journal::JournalError;
use pylon_core::work::{Route, Usage};
use pylon_core::{Job, UnixTime};
use pylon_journal::{Page, ReadOnlyJournal, RecordedDecision};
use pylon_sandbox::Role;

/// One of them.
pub(super) struct Asked {
    pub(super) recorded: RecordedDecision,
    pub(super) subject: Subject,
    pub(super) question: Result<Question, Gone>,
    /// How things were when it was asked what is due.
    pub(super) settled: Option<Situation>,
}

impl Asked {
    /// A case of it, in which nothing is said yet.
    pub(super) fn case(&self, job: &Job) -> Case {
        let nothing = Stand::No { code: "fault", words: String::new() };
        let fuel_then = if let Cost::Fuel(fuel) = self.recorded.cost { fuel } else { 0 };
        Case {
            job: job.id,
            kind: job.kind,
            customer: job.customer,
            at: self.recorded.at,
            then: nothing.clone(),
            now: nothing,
            money: Money::Nothing,
            fuel_then,
            fuel_now: Vec::with_capacity(2),
            faults: Vec::new(),
        }
    }
}

/// What is asked of a policy of this role first; `None` for handlers.
pub(super) const fn function(role: Role) -> Option<GuestFunction> {
    match role {
        Role::Routing => Some(GuestFunction::Rank),
        Role::Pricing => Some(GuestFunction::Quote),
        Role::Verification => Some(GuestFunction::Judge),
        Role::Handler => None,
    }
}

/// Hands all questions of this name to `each`, in order and in pages, until it wants no more.
pub(super) fn read(
    books: &ReadOnlyJournal,
    function: GuestFunction,
    since: UnixTime,
    kind: Option<u16>,
    mut each: impl FnMut(Vec<Asked>) -> bool,
) -> Result<(), JournalError> {
    let mut after = books.last_id_before(since)?;
    loop {
        let page = books.recorded(Page { after, function: Some(function), since })?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        let mut batch = Vec::with_capacity(page.len());
        for recorded in page {
            let subject = Subject::of(books, recorded.job)?;
            if kind.is_none() || kind == subject.job().map(|job| job.kind) {
                batch.push(asked(books, recorded, subject)?);
            }
        }
        if !each(batch) {
            return Ok(());
        }
    }
}

fn asked(
    books: &ReadOnlyJournal,
    recorded: RecordedDecision,
    subject: Subject,
) -> Result<Asked, JournalError> {
    let question = Question::of(books, &recorded, &subject)?.map_err(|unasked| match unasked {
        Unasked::Gone(gone) => gone,
        // `verify-log` says more about that.
        Unasked::Differs(_) => Gone::Unrecorded,
    });
    let settled = match &subject {
        Subject::Taken(state)
            if recorded.function == GuestFunction::Quote.as_str()
                && state.execution == Execution::Completed =>
        {
            let last = books.recorded_last(recorded.job, GuestFunction::Settle, state.attempt)?;
            last.and_then(|settled| {
                serde_json::from_str::<(Route, Usage, Situation)>(&settled.input).ok()
            })
        }
        _ => None,
    };
    Ok(Asked { recorded, subject, question, settled: settled.map(|(_, _, situation)| situation) })
}

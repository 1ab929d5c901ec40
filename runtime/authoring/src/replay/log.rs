//! All decisions asked again, one after the other, and their seals looked at: what was changed is found by either, what is missing by the seals.

use super::{Outcome, Subject, check};
use pylon_core::ports::journal::JournalError;
use pylon_core::{JobId, UnixTime};
use pylon_journal::{LogHead, MacCheck, Page, ReadOnlyJournal, RecordedDecision};
use pylon_slots::HistoricalGuests;
use std::collections::{BTreeMap, VecDeque};

/// Problems that are told one by one.
const SHOWN: usize = 20;
/// Jobs whose rows are kept at hand: as many as are at work at once, mostly.
const SUBJECTS: usize = 16;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// All that were read.
    pub decisions: u64,
    /// The same answer and the same fuel.
    pub equal: u64,
    /// The same answer on another engine.
    pub other_engine: u64,
    /// Another answer, another fuel, or nothing that could be asked.
    pub differs: u64,
    /// What cannot be asked again, by [`Gone::word`](super::Gone::word).
    pub gone: BTreeMap<&'static str, u64>,
    /// Of decisions that have one; `None` where no key was there to look.
    pub seals: Option<Seals>,
    /// The first of what is wrong.
    pub problems: Vec<Problem>,
}

/// What the seals say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seals {
    /// As they were written.
    pub hold: u64,
    /// Changed, or without a seal where there was one.
    pub broken: u64,
    /// From before there were seals under this key.
    pub before: u64,
    /// Gone, and nobody said why.
    pub missing: u64,
    /// The seal over all of them is not there, or not ours.
    pub headless: bool,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The number of the decision.
    pub id: u64,
    /// Its job; `None` for one that is missing.
    pub job: Option<JobId>,
    /// Its function.
    pub function: String,
    /// What is wrong with it, in a line.
    pub what: String,
}

impl Verified {
    /// Is the log as it was written?
    pub fn is_good(&self) -> bool {
        self.differs == 0
            && self
                .seals
                .is_none_or(|seals| seals.broken == 0 && seals.missing == 0 && !seals.headless)
    }

    fn problem(&mut self, id: u64, of: Option<&RecordedDecision>, what: String) {
        if self.problems.len() < SHOWN {
            let function = of.map(|recorded| recorded.function.clone()).unwrap_or_default();
            self.problems.push(Problem {
                id,
                job: of.map(|recorded| recorded.job),
                function,
                what,
            });
        }
    }
}

/// Reads them all, and says now and then how many it has read.
pub async fn verify(
    past: &mut HistoricalGuests,
    books: &ReadOnlyJournal,
    safe: Option<&pylon_journal::TextCipher>,
    since: UnixTime,
    mut progress: impl FnMut(u64),
) -> Result<Verified, JournalError> {
    let mut verified = Verified { seals: safe.map(|_| Seals::default()), ..Verified::default() };
    let sealed = safe.map(|safe| books.log_head(safe)).transpose()?.flatten();
    let mut after = if since == UnixTime::new(0) { 0 } else { books.last_id_before(since)? };
    let mut order = safe.map(|safe| Order { books, safe, sealed, next: after + 1 });
    let mut subjects = Subjects::default();
    loop {
        let page = books.recorded(Page { after, function: None, since: UnixTime::new(0) })?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for recorded in &page {
            verified.decisions += 1;
            if let Some(order) = &mut order {
                order.look(recorded, &mut verified)?;
            }
            let subject = subjects.of(books, recorded.job)?;
            match check(past, books, recorded, subject).await? {
                Outcome::Equal => verified.equal += 1,
                Outcome::OtherEngine => verified.other_engine += 1,
                Outcome::Gone(gone) => *verified.gone.entry(gone.word()).or_default() += 1,
                Outcome::Differs(all) => {
                    verified.differs += 1;
                    let what = all.iter().map(|it| it.what).collect::<Vec<_>>().join(" and ");
                    verified.problem(
                        recorded.id,
                        Some(recorded),
                        format!("asked again, its {what} is another"),
                    );
                }
            }
        }
        progress(verified.decisions);
    }
    if let Some(order) = &mut order {
        order.end(&mut verified)?;
    }
    Ok(verified)
}

/// Whether each decision is sealed and follows the one before it.
struct Order<'a> {
    books: &'a ReadOnlyJournal,
    safe: &'a pylon_journal::TextCipher,
    sealed: Option<LogHead>,
    /// The number that comes next if nothing is missing.
    next: u64,
}

impl Order<'_> {
    fn look(
        &mut self,
        recorded: &RecordedDecision,
        verified: &mut Verified,
    ) -> Result<(), JournalError> {
        let seal = recorded.check_mac(self.safe);
        let from = self.sealed.map_or(u64::MAX, |sealed| sealed.first);
        let mut seals = verified.seals.unwrap_or_default();
        match seal {
            MacCheck::Valid => seals.hold += 1,
            _ if recorded.id < from => {
                seals.before += 1;
                // A seal, but nothing that says since when there are any.
                seals.headless |= self.sealed.is_none() && seal == MacCheck::Invalid;
            }
            MacCheck::Invalid | MacCheck::Missing => {
                seals.broken += 1;
                verified.problem(
                    recorded.id,
                    Some(recorded),
                    "it is not as it was written: its seal is broken".into(),
                );
            }
        }
        seals.headless |= self.sealed.is_none() && seal == MacCheck::Valid;
        verified.seals = Some(seals);
        self.gap(recorded.id, verified)?;
        self.next = recorded.id + 1;
        Ok(())
    }

    /// Up to this number there should be nothing.
    fn gap(&self, end: u64, verified: &mut Verified) -> Result<(), JournalError> {
        let Some(sealed) = self.sealed else { return Ok(()) };
        let first = self.next.max(sealed.first);
        if first >= end || self.books.is_purged(self.safe, first, end - 1)? {
            return Ok(());
        }
        let missing = end - first;
        let mut seals = verified.seals.unwrap_or_default();
        seals.missing += missing;
        verified.seals = Some(seals);
        verified.problem(first, None, format!("{missing} missing from this number on"));
        Ok(())
    }

    fn end(&mut self, verified: &mut Verified) -> Result<(), JournalError> {
        match self.sealed {
            Some(sealed) => self.gap(sealed.last + 1, verified),
            None => Ok(()),
        }
    }
}

/// The jobs asked about last.
#[derive(Default)]
struct Subjects(VecDeque<(JobId, Subject)>);

impl Subjects {
    fn of(&mut self, books: &ReadOnlyJournal, id: JobId) -> Result<&Subject, JournalError> {
        let place = self.0.iter().position(|(known, _)| *known == id);
        let found = match place.and_then(|place| self.0.remove(place)) {
            Some(found) => found,
            None => (id, Subject::of(books, id)?),
        };
        self.0.truncate(SUBJECTS - 1);
        self.0.push_front(found);
        Ok(self.0.front().map_or(&Subject::Forgotten, |(_, subject)| subject))
    }
}

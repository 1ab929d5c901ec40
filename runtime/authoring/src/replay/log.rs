//! All decisions, replayed one after the other, with a check of their MACs. A change is found by
//! either, a missing row by the MACs.

use super::{ReplayOutcome, ReplaySubject, check};
use pylon_core::ports::journal::JournalError;
use pylon_core::{JobId, UnixTime};
use pylon_journal::{LogHead, MacCheck, Page, ReadOnlyJournal, RecordedDecision, TextCipher};
use pylon_slots::HistoricalGuests;
use std::collections::{BTreeMap, VecDeque};

/// Problems that are listed.
const PROBLEMS_MAX: usize = 20;
/// Jobs whose rows are cached: about as many as run at the same time.
const SUBJECTS_MAX: usize = 16;

/// The result for the whole log.
#[derive(Clone, Debug, Default)]
pub struct LogReport {
    /// All decisions that were read.
    pub decisions: u64,
    /// The same answer and the same fuel.
    pub equal: u64,
    /// The same answer on another engine.
    pub other_engine: u64,
    /// Another answer, another fuel, or an input that cannot be read.
    pub differs: u64,
    /// What cannot be replayed, by [`NotReplayable::as_str`](super::NotReplayable::as_str).
    pub not_replayable: BTreeMap<&'static str, u64>,
    /// Of the MACs; `None` without a key.
    pub macs: Option<MacReport>,
    /// The first problems.
    pub problems: Vec<Problem>,
}

/// The result for the MACs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MacReport {
    /// Unchanged rows.
    pub valid: u64,
    /// Changed rows, and rows whose MAC was removed.
    pub invalid: u64,
    /// Rows from before there were MACs under this key.
    pub unsealed: u64,
    /// Rows that are missing although they were not purged.
    pub missing: u64,
    /// The head of the log, which covers all rows, is missing or invalid.
    pub head_missing: bool,
}

/// A decision that differs, or decisions that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The id of the decision.
    pub id: u64,
    /// Its job; `None` for a missing decision.
    pub job: Option<JobId>,
    /// Its function.
    pub function: String,
    /// The problem, in one line.
    pub what: String,
}

impl LogReport {
    /// Whether the log is unchanged.
    pub fn is_good(&self) -> bool {
        let is_good =
            |macs: MacReport| macs.invalid == 0 && macs.missing == 0 && !macs.head_missing;
        self.differs == 0 && self.macs.is_none_or(is_good)
    }

    fn problem(&mut self, id: u64, of: Option<&RecordedDecision>, what: String) {
        if self.problems.len() < PROBLEMS_MAX {
            let function = of.map(|recorded| recorded.function.clone()).unwrap_or_default();
            let job = of.map(|recorded| recorded.job);
            self.problems.push(Problem { id, job, function, what });
        }
    }
}

/// Replays all decisions. `progress` gets the number of decisions so far.
pub async fn verify(
    past: &mut HistoricalGuests,
    journal: &ReadOnlyJournal,
    cipher: Option<&TextCipher>,
    since: UnixTime,
    mut progress: impl FnMut(u64),
) -> Result<LogReport, JournalError> {
    let mut report =
        LogReport { macs: cipher.map(|_| MacReport::default()), ..LogReport::default() };
    let head = cipher.map(|cipher| journal.log_head(cipher)).transpose()?.flatten();
    let mut after = if since == UnixTime::new(0) { 0 } else { journal.last_id_before(since)? };
    let mut sequence =
        cipher.map(|cipher| SequenceCheck { journal, cipher, head, next: after + 1 });
    let mut subjects = SubjectCache::default();
    loop {
        let page = journal.recorded(Page { after, function: None, since: UnixTime::new(0) })?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for recorded in &page {
            report.decisions += 1;
            if let Some(sequence) = &mut sequence {
                sequence.check(recorded, &mut report)?;
            }
            let subject = subjects.get(journal, recorded.job)?;
            match check(past, journal, recorded, subject).await? {
                ReplayOutcome::Equal => report.equal += 1,
                ReplayOutcome::OtherEngine => report.other_engine += 1,
                ReplayOutcome::NotReplayable(why) => {
                    *report.not_replayable.entry(why.as_str()).or_default() += 1;
                }
                ReplayOutcome::Differs(all) => {
                    report.differs += 1;
                    let what = all.iter().map(|it| it.what).collect::<Vec<_>>().join(" and ");
                    report.problem(
                        recorded.id,
                        Some(recorded),
                        format!("replay differs in {what}"),
                    );
                }
            }
        }
        progress(report.decisions);
    }
    if let Some(sequence) = &mut sequence {
        sequence.end(&mut report)?;
    }
    Ok(report)
}

/// Checks that each decision has a valid MAC and follows the one before it.
struct SequenceCheck<'a> {
    journal: &'a ReadOnlyJournal,
    cipher: &'a TextCipher,
    head: Option<LogHead>,
    /// The next id if nothing is missing.
    next: u64,
}

impl SequenceCheck<'_> {
    fn check(
        &mut self,
        recorded: &RecordedDecision,
        report: &mut LogReport,
    ) -> Result<(), JournalError> {
        let mac = recorded.check_mac(self.cipher);
        let first = self.head.map_or(u64::MAX, |head| head.first);
        let mut macs = report.macs.unwrap_or_default();
        match mac {
            MacCheck::Valid => macs.valid += 1,
            _ if recorded.id < first => {
                macs.unsealed += 1;
                // It has a MAC, but no head says from which row on there are any.
                macs.head_missing |= self.head.is_none() && mac == MacCheck::Invalid;
            }
            MacCheck::Invalid | MacCheck::Missing => {
                macs.invalid += 1;
                let what = "the row was changed: its MAC is invalid".to_owned();
                report.problem(recorded.id, Some(recorded), what);
            }
        }
        macs.head_missing |= self.head.is_none() && mac == MacCheck::Valid;
        report.macs = Some(macs);
        self.gap(recorded.id, report)?;
        self.next = recorded.id + 1;
        Ok(())
    }

    /// Reports the rows between the last one and this id, unless they were purged.
    fn gap(&self, end: u64, report: &mut LogReport) -> Result<(), JournalError> {
        let Some(head) = self.head else { return Ok(()) };
        let first = self.next.max(head.first);
        if first >= end || self.journal.is_purged(self.cipher, first, end - 1)? {
            return Ok(());
        }
        let missing = end - first;
        let mut macs = report.macs.unwrap_or_default();
        macs.missing += missing;
        report.macs = Some(macs);
        report.problem(first, None, format!("{missing} decisions are missing from this id on"));
        Ok(())
    }

    fn end(&mut self, report: &mut LogReport) -> Result<(), JournalError> {
        match self.head {
            Some(head) => self.gap(head.last + 1, report),
            None => Ok(()),
        }
    }
}

/// The subjects of the latest decisions.
#[derive(Default)]
struct SubjectCache(VecDeque<(JobId, ReplaySubject)>);

impl SubjectCache {
    fn get(
        &mut self,
        journal: &ReadOnlyJournal,
        id: JobId,
    ) -> Result<&ReplaySubject, JournalError> {
        let index = self.0.iter().position(|(known, _)| *known == id);
        let found = match index.and_then(|index| self.0.remove(index)) {
            Some(found) => found,
            None => (id, ReplaySubject::read(journal, id)?),
        };
        self.0.truncate(SUBJECTS_MAX - 1);
        self.0.push_front(found);
        Ok(self.0.front().map_or(&ReplaySubject::Purged, |(_, subject)| subject))
    }
}

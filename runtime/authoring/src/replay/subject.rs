//! The request that a decision was about.

use super::NotReplayable;
use pylon_core::machine::JobState;
use pylon_core::ports::journal::JournalError;
use pylon_core::{Job, JobId};
use pylon_journal::ReadOnlyJournal;

/// What the journal has of a request.
#[derive(Clone, Debug)]
pub enum ReplaySubject {
    /// It was accepted: the row of the job.
    Accepted(Box<JobState>),
    /// It was refused: what is kept of the request.
    Refused(Box<Job>),
    /// It was refused, and the request is no longer kept.
    Purged,
}

impl ReplaySubject {
    /// Reads it from the journal.
    pub fn read(journal: &ReadOnlyJournal, id: JobId) -> Result<Self, JournalError> {
        if let Some(state) = journal.job(id)? {
            return Ok(Self::Accepted(Box::new(state)));
        }
        Ok(journal.refused_request(id)?.map_or(Self::Purged, |job| Self::Refused(Box::new(job))))
    }

    /// The retained view of the request.
    pub fn job(&self) -> Option<&Job> {
        match self {
            Self::Accepted(state) => Some(&state.job),
            Self::Refused(job) => Some(job),
            Self::Purged => None,
        }
    }

    /// The job as policies see it.
    pub fn policy_view(&self) -> Result<Job, NotReplayable> {
        match (self, self.job()) {
            (_, Some(job)) if job.confidential => Err(NotReplayable::Confidential),
            (Self::Accepted(state), _) => Ok(state.job.policy_view(&state.plan.public)),
            (Self::Refused(job), _) => Ok(Job::clone(job)),
            (Self::Purged, _) => Err(NotReplayable::TextPurged),
        }
    }
}

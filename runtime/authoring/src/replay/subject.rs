//! What a decision was about: a job that was taken, or a request that was refused.

use super::Gone;
use pylon_core::machine::JobState;
use pylon_core::ports::journal::JournalError;
use pylon_core::{Job, JobId};
use pylon_journal::ReadOnlyJournal;

/// A job or a request.
#[derive(Clone, Debug)]
pub enum Subject {
    /// It was taken: this is its row.
    Taken(Box<JobState>),
    /// It was refused: this is its outline.
    Refused(Box<Job>),
    /// It was refused, and no more is kept of it.
    Forgotten,
}

impl Subject {
    /// From the journal.
    pub fn of(books: &ReadOnlyJournal, id: JobId) -> Result<Self, JournalError> {
        if let Some(state) = books.job(id)? {
            return Ok(Self::Taken(Box::new(state)));
        }
        Ok(books.refused_request(id)?.map_or(Self::Forgotten, |job| Self::Refused(Box::new(job))))
    }

    /// What is kept of the request.
    pub fn job(&self) -> Option<&Job> {
        match self {
            Self::Taken(state) => Some(&state.job),
            Self::Refused(job) => Some(job),
            Self::Forgotten => None,
        }
    }

    /// The job as policies saw it.
    pub fn summary(&self) -> Result<Job, Gone> {
        match (self, self.job()) {
            (_, Some(job)) if job.confidential => Err(Gone::Confidential),
            (Self::Taken(state), _) => Ok(state.job.policy_view(&state.plan.public)),
            (Self::Refused(job), _) => Ok(Job::clone(job)),
            (Self::Forgotten, _) => Err(Gone::Text),
        }
    }
}

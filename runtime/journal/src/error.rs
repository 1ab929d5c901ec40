//! Errors: what SQLite reports, and why a batch is not committed.

use pylon_core::ports::journal::JournalError;
use rusqlite::ErrorCode;

/// Why a batch is not committed.
pub(super) enum CommitError {
    /// A job or refusal with this id exists.
    AlreadyKnown,
    /// A row refers to a job that does not exist.
    MissingJob,
    /// An error of SQLite.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for CommitError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<CommitError> for JournalError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::AlreadyKnown => Self::Known,
            CommitError::MissingJob => Self::Contradicts("the row of its job is missing".into()),
            CommitError::Sql(error)
                if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) =>
            {
                Self::Contradicts(message(&error))
            }
            CommitError::Sql(error) => unwritable(error),
        }
    }
}

pub(super) fn unreadable(error: rusqlite::Error) -> JournalError {
    JournalError::Unreadable(message(&error))
}

pub(super) fn unwritable(error: rusqlite::Error) -> JournalError {
    JournalError::Unwritable(message(&error))
}

/// SQLite's message in one line: rusqlite's `Display` would append the whole statement.
pub(super) fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

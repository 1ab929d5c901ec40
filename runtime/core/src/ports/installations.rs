//! Reads the history of the slots. Its rows are written by [`super::journal::Journal::commit`].

use super::journal::JournalError;
use crate::installation::{Audit, Installation, PendingGuest};

/// The history of the slots.
pub trait Installations: Send + Sync {
    /// All changes, oldest first.
    fn installations(&self) -> Result<Vec<Installation>, JournalError>;

    /// The pending guests of all slots.
    fn pending_guests(&self) -> Result<Vec<PendingGuest>, JournalError>;

    /// The last changes and attempts, newest first, at most `limit`.
    fn audit(&self, limit: usize) -> Result<Vec<Audit>, JournalError>;
}

//! What the journal says of the slots.

use super::history;
use anyhow::Result;
use pylon_core::UnixTime;
use pylon_core::installation::{Installation, PendingGuest};
use pylon_core::slots::SlotStatus;
use pylon_journal::ReadOnlyJournal;
use std::path::Path;

/// What the journal says of the slots.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// All of it, oldest first.
    pub history: Vec<Installation>,
    /// Who stands beside.
    pub standbys: Vec<PendingGuest>,
}

impl Ledger {
    /// Read from the database of a node; empty if there is none.
    pub fn read(database: &Path) -> Result<Self> {
        if !database.exists() {
            return Ok(Self::default());
        }
        let books = ReadOnlyJournal::open(database)?;
        Ok(Self { history: books.installations()?, standbys: books.pending_guests()? })
    }

    /// Since when there are guests here: at the latest since the first start, which fills the slots.
    pub fn begun(&self) -> Option<UnixTime> {
        self.history.first().map(|row| row.at)
    }

    /// Who is where, and beside whom, without how they do.
    pub fn seated(&self) -> Vec<SlotStatus> {
        let now = history::at(&self.history, history::newest(&self.history));
        let serving = now.values().filter_map(|row| SlotStatus::serving(row, None));
        serving
            .chain(self.standbys.iter().map(|standby| SlotStatus::beside(standby, None)))
            .collect()
    }
}

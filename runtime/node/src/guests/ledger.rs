//! What the journal says of the slots.

use super::deed::Seated;
use super::history;
use crate::home::Home;
use anyhow::Result;
use pylon_adapters::journal::Books;
use pylon_core::UnixTime;
use pylon_core::ports::installations::{Installation, Standby};

/// What the journal says of the slots.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// All of it, oldest first.
    pub history: Vec<Installation>,
    /// Who stands beside.
    pub standbys: Vec<Standby>,
}

impl Ledger {
    /// That of a home, as anybody may read it.
    pub fn of(home: &Home) -> Result<Self> {
        if !home.database().exists() {
            return Ok(Self::default());
        }
        let books = Books::open(&home.database())?;
        Ok(Self { history: books.installations()?, standbys: books.standbys()? })
    }

    /// Since when there are guests here: at the latest since the first start, which fills the slots.
    pub fn begun(&self) -> Option<UnixTime> {
        self.history.first().map(|row| row.at)
    }

    /// Who is where, and beside whom, without how they do.
    pub fn seated(&self) -> Vec<Seated> {
        let now = history::at(&self.history, history::newest(&self.history));
        let serving = now.values().filter_map(|row| Seated::serving(row, None));
        serving.chain(self.standbys.iter().map(|standby| Seated::beside(standby, None))).collect()
    }
}

//! Which guest was in which slot since when: the history of the slots, and who changed what.
//!
//! A row changes one slot, and its number names the whole set of guests since then: set `n` has, for each slot, the newest row up to `n`. A job
//! keeps the number that it was admitted with, a decision the one that made it, so both find their guests, settings and limits again.

use crate::ports::guests::Fault;
use crate::ports::journal::JournalError;
use crate::{Digest, JobId, PublicKey, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One change of one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// The set of guests since then; counted from 1.
    pub generation: u64,
    /// `pricing`, `pricing:5050`, `handler:5050`.
    pub slot: String,
    /// `None`: the slot is empty since.
    pub guest: Option<Installed>,
    /// What the settings file said of the slot at that time, as JSON: the file speaks again only after it was changed.
    pub stanza: String,
    /// What caused it: `start`, `reload`, `install`, `activate`, `rollback`, `approve`, `traps` or `release`, where that is over.
    pub why: String,
    /// When.
    pub at: UnixTime,
}

/// A guest as it was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Of the component, under which it is kept.
    pub digest: Digest,
    /// As the component calls itself.
    pub name: String,
    /// As the component calls itself.
    pub version: String,
    /// Where it came from: `shipped:NAME`, a path or an address.
    pub source: String,
    /// What the operator set; what is not in it has the guest's default.
    pub settings: BTreeMap<String, String>,
    /// What it was granted of what it wants: `inference`, `progress`, ….
    pub grants: Vec<String>,
    /// The limits that held for each call, by name and in the units of the name.
    pub limits: BTreeMap<String, u64>,
    /// Who signed the release; absent where no signature was given.
    pub publisher: Option<PublicKey>,
}

/// Something that was done to a slot, or tried: never changed, and kept as long as a journal has room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// When.
    pub at: UnixTime,
    /// `install`, `activate`, `rollback`, `approve`, `shadow`, `remove`, `release`, `reject`.
    pub action: String,
    /// Which slot.
    pub slot: String,
    /// Which component, as far as it was known.
    pub digest: Option<Digest>,
    /// Its name and version, as far as they were known.
    pub guest: String,
    /// Who signed it, if somebody did.
    pub publisher: Option<PublicKey>,
    /// `done`, or the code of the step that failed.
    pub outcome: String,
    /// In a line.
    pub detail: String,
}

/// A guest that stands beside a slot and does not serve in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standby {
    /// Which slot.
    pub slot: String,
    /// What for.
    pub purpose: Purpose,
    /// As it would be installed.
    pub guest: Installed,
    /// What it wants beyond what the slot had.
    pub beyond: Vec<String>,
    /// Since when.
    pub since: UnixTime,
}

/// Why a guest stands beside a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// It wants more than the slot had: the operator decides.
    Approval,
    /// It is asked beside the active one, and nobody acts on what it says.
    Shadow,
}

impl Purpose {
    /// The word in the journal.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Shadow => "shadow",
        }
    }

    /// The case of a word in the journal.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Approval, Self::Shadow].into_iter().find(|purpose| purpose.word() == word)
    }
}

/// What a shadow said to the question of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowRow {
    /// Which slot.
    pub slot: String,
    /// Which component.
    pub digest: Digest,
    /// For which job.
    pub job: JobId,
    /// `rank`, `quote`, `settle` or `judge`.
    pub function: &'static str,
    /// Of which attempt; 0 before the first.
    pub attempt: u32,
    /// As that of a decision.
    pub output: Result<String, Fault>,
    /// What it cost.
    pub fuel: u64,
}

/// Reads the history. Rows are written by [`super::journal::Journal::commit`].
pub trait Installations: Send + Sync {
    /// All of it, oldest first.
    fn installations(&self) -> Result<Vec<Installation>, JournalError>;

    /// Who stands beside the slots.
    fn standbys(&self) -> Result<Vec<Standby>, JournalError>;

    /// What was done or tried last, newest first, at most `limit`.
    fn audit(&self, limit: usize) -> Result<Vec<Audit>, JournalError>;
}

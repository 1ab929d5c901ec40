//! Which guest was in which slot since when: the history of the slots, and who changed what.
//!
//! A row changes one slot, and its number names the whole set of guests since then: set `n` has, for each slot, the newest row up to `n`. A job
//! keeps the number that it was admitted with, a decision the one that made it, so both find their guests, settings and limits again.

use crate::ports::journal::JournalError;
use crate::{Digest, PublicKey, UnixTime};
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
    /// What caused it: `start`, `reload`, `install`, `activate`, `rollback`, `approve` or `traps`.
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

/// Something that was done to a slot, or tried: never changed, never removed.
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

/// Reads the history. Rows are written by [`super::journal::Journal::commit`].
pub trait Installations: Send + Sync {
    /// All of it, oldest first.
    fn installations(&self) -> Result<Vec<Installation>, JournalError>;

    /// What was done or tried last, newest first, at most `limit`.
    fn audit(&self, limit: usize) -> Result<Vec<Audit>, JournalError>;
}

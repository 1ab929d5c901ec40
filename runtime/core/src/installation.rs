//! The history of the slots: which guest served which slot since when, and what changed it.
//!
//! Each row changes one slot and is a numbered revision of the guest set: in revision `n` each slot
//! has its newest row up to `n`. A job keeps the revision it was admitted with and a decision the
//! one that made it, so both find their guests, settings and limits again.

use crate::guest::{Fault, GuestFunction};
use crate::names::named_enum;
use crate::{Digest, JobId, PublicKey, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A change of one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// The revision of the guest set that this change made; counted from 1.
    pub revision: u64,
    /// `pricing`, `pricing:5050`, `handler:5050`.
    pub slot: String,
    /// `None`: the slot is empty since.
    pub guest: Option<InstalledGuest>,
    /// The slot's part of the settings file at that time, as JSON. The file applies again only
    /// after it has changed.
    pub config: String,
    /// What caused the change: `start`, `reload`, `install`, `activate`, `rollback`, `approve`,
    /// `faults` (too many failed calls), or `expired` for an expired or deleted release.
    pub cause: String,
    /// When.
    pub at: UnixTime,
}

/// A guest as it was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledGuest {
    /// Of the component, which is stored under it.
    pub digest: Digest,
    /// From the component's manifest.
    pub name: String,
    /// From the component's manifest.
    pub version: String,
    /// Where it came from: `shipped:NAME`, a path or an address.
    pub source: String,
    /// Set by the operator; settings not listed have the guest's defaults.
    pub settings: BTreeMap<String, String>,
    /// The granted capabilities: `inference`, `progress`, ….
    pub grants: Vec<String>,
    /// The effective limits of each call, by name and in the units of the name.
    pub limits: BTreeMap<String, u64>,
    /// The signer of the release; absent if it is unsigned.
    pub publisher: Option<PublicKey>,
}

/// A change of a slot that was made or attempted. Audit rows are never modified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// When.
    pub at: UnixTime,
    /// `start`, `reload`, `install`, `shadow`, `activate`, `rollback`, `approve`, `remove`,
    /// `shadow_removed`, `accept`, `reject`.
    pub action: String,
    /// The slot.
    pub slot: String,
    /// The component, as far as it is known.
    pub digest: Option<Digest>,
    /// Its name and version, as far as they are known.
    pub guest: String,
    /// The signer, if there is one.
    pub publisher: Option<PublicKey>,
    /// `done`, or the code of the step that failed.
    pub outcome: String,
    /// Details, in one line.
    pub detail: String,
}

/// A guest that is assigned to a slot without serving it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingGuest {
    /// The slot.
    pub slot: String,
    /// Why it is pending.
    pub kind: PendingKind,
    /// As it would be installed.
    pub guest: InstalledGuest,
    /// Capabilities it requests that the slot did not have.
    pub extra_grants: Vec<String>,
    /// Since when.
    pub since: UnixTime,
}

named_enum! {
    /// Why a guest is pending.
    PendingKind {
        /// It requests more capabilities than the slot had: the operator decides.
        Approval = "approval",
        /// It gets the questions of the active guest, and its answers are only recorded.
        Shadow = "shadow",
    }
}

/// A shadow's answer to the question of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowRow {
    /// The slot.
    pub slot: String,
    /// The component.
    pub digest: Digest,
    /// The job.
    pub job: JobId,
    /// The function that was called.
    pub function: GuestFunction,
    /// The attempt; 0 before the first.
    pub attempt: u32,
    /// The question, as in the decision.
    pub input: String,
    /// The answer as JSON, or the fault.
    pub output: Result<String, Fault>,
    /// The fuel used.
    pub fuel: u64,
}

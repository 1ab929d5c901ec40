//! Guest slots as an operator sees and changes them: what the settings, the journal, the commands
//! and the control API say about a slot. Which guest may serve is decided elsewhere.

use crate::installation::{Installation, InstalledGuest, PendingGuest, PendingKind};
use crate::{Digest, PublicKey, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The settings of one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuestConfig {
    /// The name of a shipped guest, the path of a component or of a folder with one, or an https
    /// URL. Empty: the guest that is shipped for this slot.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// SHA-256 of the component; another component is refused. Required for a URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Settings of the guest itself, by the names that it declares.
    pub settings: BTreeMap<String, String>,
    /// Limits of a call, by name. The smallest of this, the guest's own and the node's applies.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, u64>,
    /// The capabilities that it is granted of those it requests. Absent: all of them at first, and
    /// afterwards those that the slot had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<String>>,
}

/// Which guests may be installed. Shipped guests always may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lockdown {
    /// Only releases of these publishers are accepted, each an npub or hex. Empty: of any
    /// publisher.
    pub trusted_publishers: Vec<String>,
    /// Every guest needs a release.
    pub require_signature: bool,
    /// `false`: no guest is compiled on this machine, not even a shipped one. Only precompiled code
    /// that a trusted publisher signed runs.
    pub allow_compile: bool,
    /// By slot, the most that any guest there may be granted. A slot that is not named has no such
    /// maximum.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub max_grants: BTreeMap<String, Vec<String>>,
}

impl Default for Lockdown {
    fn default() -> Self {
        Self {
            trusted_publishers: Vec::new(),
            require_signature: false,
            allow_compile: true,
            max_grants: BTreeMap::new(),
        }
    }
}

impl Lockdown {
    /// Whether a component needs a signed release.
    pub fn needs_release(&self) -> bool {
        self.require_signature || !self.trusted_publishers.is_empty()
    }
}

/// A change of a slot, as an operator requests it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase", deny_unknown_fields)]
pub enum SlotChange {
    /// Install a guest, to serve or as a shadow.
    Install {
        /// The slot.
        slot: String,
        /// As a table `[guests.SLOT]` of the settings.
        guest: GuestConfig,
        /// As a shadow of the serving guest.
        #[serde(default)]
        shadow: bool,
    },
    /// Let the shadow serve.
    Activate {
        /// The slot.
        slot: String,
    },
    /// Put back an earlier guest.
    Rollback {
        /// The slot.
        slot: String,
        /// The guest of this revision; without it, the predecessor.
        #[serde(default)]
        to: Option<u64>,
    },
    /// Let the pending guest serve, with the additional grants that it requests.
    Approve {
        /// The slot.
        slot: String,
        /// SHA-256 of the component that the operator saw; without it, whichever is pending.
        #[serde(default)]
        digest: Option<Digest>,
    },
}

impl SlotChange {
    /// The slot.
    pub fn slot(&self) -> &str {
        match self {
            Self::Install { slot, .. }
            | Self::Activate { slot }
            | Self::Rollback { slot, .. }
            | Self::Approve { slot, .. } => slot,
        }
    }

    /// The action in the audit log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Install { shadow: false, .. } => "install",
            Self::Install { shadow: true, .. } => "shadow",
            Self::Activate { .. } => "activate",
            Self::Rollback { .. } => "rollback",
            Self::Approve { .. } => "approve",
        }
    }
}

/// The role of the guest that served last in a slot which is now empty.
pub const REMOVED: &str = "removed";

/// A guest of a slot: serving, a shadow, or pending approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// The slot.
    pub slot: String,
    /// `serving`, `shadow` or `approval` (pending); `removed` in the response to a change that
    /// emptied the slot.
    pub role: String,
    /// From the guest's manifest.
    pub name: String,
    /// From the guest's manifest.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// Signer of its release.
    pub publisher: Option<PublicKey>,
    /// Where it was installed from.
    pub source: String,
    /// As the operator set them.
    pub settings: BTreeMap<String, String>,
    /// Granted capabilities; of a pending guest, those that it would be granted.
    pub grants: Vec<String>,
    /// Those of `grants` that the slot did not have; only of a pending guest.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub extra_grants: Vec<String>,
    /// The revision of the guest set that it came with; only of a serving guest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<u64>,
    /// Unix time of its installation.
    pub since: u64,
    /// Call statistics; only from a running node.
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    pub stats: Option<StatsSnapshot>,
    /// Decisions that a shadow was not asked about because its queue was full.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped: Option<u64>,
}

impl SlotStatus {
    /// The serving guest; `None` for an empty slot.
    pub fn serving(row: &Installation, stats: Option<StatsSnapshot>) -> Option<Self> {
        let status = Self::of(&row.slot, row.guest.as_ref()?, "serving", row.at);
        Some(Self { revision: Some(row.revision), stats, ..status })
    }

    /// A shadow, or a guest that waits for approval.
    pub fn pending(pending: &PendingGuest, skipped: Option<u64>) -> Self {
        Self {
            extra_grants: pending.extra_grants.clone(),
            skipped: skipped.filter(|_| pending.kind == PendingKind::Shadow),
            ..Self::of(&pending.slot, &pending.guest, pending.kind.as_str(), pending.since)
        }
    }

    fn of(slot: &str, guest: &InstalledGuest, role: &str, since: UnixTime) -> Self {
        Self {
            slot: slot.into(),
            role: role.into(),
            name: guest.name.clone(),
            version: guest.version.clone(),
            digest: guest.digest,
            publisher: guest.publisher,
            source: guest.source.clone(),
            settings: guest.settings.clone(),
            grants: guest.grants.clone(),
            extra_grants: Vec::new(),
            revision: None,
            since: since.get(),
            stats: None,
            skipped: None,
        }
    }
}

/// Statistics of a guest's calls since it was installed, or since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsSnapshot {
    /// Number of calls.
    pub calls: u64,
    /// Calls that failed.
    pub traps: u64,
    /// Median wall time of the latest calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    /// 99th percentile of their wall time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
    /// Median fuel; policies only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Median CPU time; handlers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a misspelled field of a change is an error. Method: an approval as it is serialized,
    /// and with an unknown field.
    #[test]
    fn unknown_field_of_a_change_is_refused() {
        let digest = Digest::of(b"seen");
        let approve = SlotChange::Approve { slot: "handler:5050".into(), digest: Some(digest) };
        let text = serde_json::to_string(&approve).unwrap();
        assert_eq!(serde_json::from_str::<SlotChange>(&text).unwrap(), approve);
        assert!(serde_json::from_str::<SlotChange>(&text.replace("digest", "digset")).is_err());
    }
}

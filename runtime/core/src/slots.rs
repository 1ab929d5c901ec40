//! Guest slots as an operator sees and changes them: the types that the settings, the journal, the
//! commands and the control API share. Which guest may serve is decided elsewhere.

use crate::installation::{Installation, InstalledGuest, PendingGuest, PendingKind};
use crate::{Digest, PublicKey, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The settings of one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuestConfig {
    /// The name of a shipped guest, the path of a component or of a folder with one, or an https
    /// address. Empty: the shipped default.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// SHA-256 of the component; any other component is refused. Required for an address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// The guest's own settings, by the names that it declares.
    pub settings: BTreeMap<String, String>,
    /// Limits of a call, by name. The smallest of this, the guest's and the node's applies.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub bounds: BTreeMap<String, u64>,
    /// The granted capabilities. Absent: all at the first installation, then those of the slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<String>>,
}

/// Which guests may be installed. Shipped guests always may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lockdown {
    /// Only releases of these publishers, each an npub or hex. Empty: of any publisher.
    pub trusted_publishers: Vec<String>,
    /// Only signed releases.
    pub require_signature: bool,
    /// `false`: nothing is compiled on this node, not even shipped guests. Only precompiled code
    /// signed by one of the publishers runs.
    pub allow_compile: bool,
    /// The capabilities that may be granted, by slot. Slots that are not listed are not limited.
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

/// A change of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub enum SlotChange {
    /// Install a guest, or add it as a shadow.
    Install {
        /// The slot.
        slot: String,
        /// As in the settings.
        guest: GuestConfig,
        /// As a shadow of the active guest.
        #[serde(default)]
        shadow: bool,
    },
    /// The shadow becomes the active guest.
    Activate {
        /// The slot.
        slot: String,
    },
    /// Restore an earlier guest.
    Rollback {
        /// The slot.
        slot: String,
        /// The revision of the guest set; absent: the previous guest of the slot.
        #[serde(default)]
        to: Option<u64>,
    },
    /// Grant the extra capabilities of the guest that waits for approval, and activate it.
    Approve {
        /// The slot.
        slot: String,
        /// Of the component that is expected to wait; absent: any.
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
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Install { shadow: false, .. } => "install",
            Self::Install { shadow: true, .. } => "shadow",
            Self::Activate { .. } => "activate",
            Self::Rollback { .. } => "rollback",
            Self::Approve { .. } => "approve",
        }
    }
}

/// The role of a guest that was removed from its slot.
pub const REMOVED: &str = "removed";

/// A guest of a slot: active or pending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// The slot.
    pub slot: String,
    /// `serving`, `shadow`, `approval` while it waits for approval, or `removed` in the answer to a
    /// change that emptied the slot.
    pub standing: String,
    /// From the component's manifest.
    pub name: String,
    /// From the component's manifest.
    pub version: String,
    /// Of the component.
    pub digest: Digest,
    /// The signer of its release.
    pub publisher: Option<PublicKey>,
    /// Where it came from.
    pub source: String,
    /// Set by the operator.
    pub settings: BTreeMap<String, String>,
    /// The capabilities that it has, or would get.
    pub grants: Vec<String>,
    /// Those that the slot did not have; only of a guest that waits for approval.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub beyond: Vec<String>,
    /// The revision of the guest set that installed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<u64>,
    /// Since when.
    pub since: u64,
    /// Statistics of its calls; only while the node runs.
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    pub figures: Option<StatsSnapshot>,
    /// Questions that a shadow skipped because of its full queue.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub missed: Option<u64>,
}

impl SlotStatus {
    /// The active guest; `None` for an empty slot.
    pub fn serving(row: &Installation, figures: Option<StatsSnapshot>) -> Option<Self> {
        let status = Self::of(&row.slot, row.guest.as_ref()?, "serving", row.at);
        Some(Self { revision: Some(row.revision), figures, ..status })
    }

    /// A pending guest.
    pub fn beside(pending: &PendingGuest, missed: Option<u64>) -> Self {
        Self {
            beyond: pending.extra_grants.clone(),
            missed: missed.filter(|_| pending.kind == PendingKind::Shadow),
            ..Self::of(&pending.slot, &pending.guest, pending.kind.as_str(), pending.since)
        }
    }

    fn of(slot: &str, guest: &InstalledGuest, standing: &str, since: UnixTime) -> Self {
        Self {
            slot: slot.into(),
            standing: standing.into(),
            name: guest.name.clone(),
            version: guest.version.clone(),
            digest: guest.digest,
            publisher: guest.publisher,
            source: guest.source.clone(),
            settings: guest.settings.clone(),
            grants: guest.grants.clone(),
            beyond: Vec::new(),
            revision: None,
            since: since.get(),
            figures: None,
            missed: None,
        }
    }
}

/// Statistics of a guest's calls since it was installed, or since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsSnapshot {
    /// Number of calls.
    pub calls: u64,
    /// Calls without an answer.
    pub traps: u64,
    /// Median wall time of recent calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    /// 99th percentile of their wall time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
    /// Median fuel of recent calls; policies only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Median CPU time of recent calls; handlers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: unknown fields of a change are rejected. Method: an approval, and one with a
    /// misspelled field.
    #[test]
    fn unknown_fields_are_rejected() {
        let digest = Digest::of(b"seen");
        let approve = SlotChange::Approve { slot: "handler:5050".into(), digest: Some(digest) };
        let text = serde_json::to_string(&approve).unwrap();
        assert_eq!(serde_json::from_str::<SlotChange>(&text).unwrap(), approve);
        assert!(serde_json::from_str::<SlotChange>(&text.replace("digest", "digset")).is_err());
    }
}

//! GuestConfig slots as an operator sees and changes them: what the settings, the journal, the commands
//! and the control API say about a slot. Which guest may serve is decided elsewhere.

use crate::installation::{Installation, InstalledGuest, PendingGuest, PendingKind};
use crate::{Digest, PublicKey, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is set for one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuestConfig {
    /// The name of a guest that comes with this program, the path of a component or of a folder with one, or an https address. Empty: as shipped.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// SHA-256 of the component; whatever else is there is refused. An address needs it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Its own settings, by the names that it declares.
    pub settings: BTreeMap<String, String>,
    /// Limits of a call, by name: the smaller of this, the guest's own and the node's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub bounds: BTreeMap<String, u64>,
    /// What it gets of what it wants. Absent: all at first, and then what the slot had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<Vec<String>>,
}

/// What may be installed at all. What comes with this program always may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lockdown {
    /// Only their releases, each an npub or hex. Empty: anybody's.
    pub trusted_publishers: Vec<String>,
    /// Nothing without a release.
    pub require_signature: bool,
    /// `false`: nothing is compiled here, what comes with the program neither. Runs only images that one of the publishers has signed.
    pub allow_compile: bool,
    /// By slot, the most that any guest there may be granted. A slot that is not named has no such bound.
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

/// Something to do to a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub enum SlotChange {
    /// Put a guest there, or beside the one that serves.
    Install {
        /// Which slot.
        slot: String,
        /// As a table of the settings says it.
        guest: GuestConfig,
        /// Beside the one that serves.
        #[serde(default)]
        shadow: bool,
    },
    /// The shadow serves from now on.
    Activate {
        /// Which slot.
        slot: String,
    },
    /// Put back what was there.
    Rollback {
        /// Which slot.
        slot: String,
        /// What was there in this set of guests; without it, what was there before.
        #[serde(default)]
        to: Option<u64>,
    },
    /// The guest that wants more than the slot had gets it, and serves.
    Approve {
        /// Which slot.
        slot: String,
        /// Of the component that was seen to wait there; without it, whichever waits.
        #[serde(default)]
        digest: Option<Digest>,
    },
}

impl SlotChange {
    /// Which slot.
    pub fn slot(&self) -> &str {
        match self {
            Self::Install { slot, .. }
            | Self::Activate { slot }
            | Self::Rollback { slot, .. }
            | Self::Approve { slot, .. } => slot,
        }
    }

    /// In the record of what was done.
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

/// How one stands that served in a slot which is empty now.
pub const REMOVED: &str = "removed";

/// A guest in a slot or beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// Which slot.
    pub slot: String,
    /// `serving`, `shadow`, or `approval` for one that waits for it; `removed` in the answer to what has emptied the slot.
    pub standing: String,
    /// As the component calls itself.
    pub name: String,
    /// As the component calls itself.
    pub version: String,
    /// Of the component.
    pub digest: Digest,
    /// Who signed it.
    pub publisher: Option<PublicKey>,
    /// Where it came from.
    pub source: String,
    /// What the operator set.
    pub settings: BTreeMap<String, String>,
    /// What it gets of what it wants, or would get.
    pub grants: Vec<String>,
    /// Of these, what the slot had not: only for one that waits.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub beyond: Vec<String>,
    /// The set of guests that it came with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<u64>,
    /// Since when.
    pub since: u64,
    /// How it does; only of a node that runs.
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    pub figures: Option<StatsSnapshot>,
    /// Questions that a shadow was not asked, because others had to be answered first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub missed: Option<u64>,
}

impl SlotStatus {
    /// One that serves; `None` for an empty slot.
    pub fn serving(row: &Installation, figures: Option<StatsSnapshot>) -> Option<Self> {
        let seated = Self::of(&row.slot, row.guest.as_ref()?, "serving", row.at);
        Some(Self { revision: Some(row.revision), figures, ..seated })
    }

    /// One that stands beside.
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

/// Since the guest is in its slot, or since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsSnapshot {
    /// Calls.
    pub calls: u64,
    /// Those that gave no answer.
    pub traps: u64,
    /// Half of the latest calls took no more wall time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    /// Nor did 99 of a hundred take more than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
    /// Half of the latest calls took no more fuel; policies only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Half of the latest calls took no more CPU time; handlers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: nothing that an order says is passed over. Method: an approval as it is written, and with a name that means nothing.
    #[test]
    fn an_order_is_read_to_its_end() {
        let digest = Digest::of(b"seen");
        let approve = SlotChange::Approve { slot: "handler:5050".into(), digest: Some(digest) };
        let text = serde_json::to_string(&approve).unwrap();
        assert_eq!(serde_json::from_str::<SlotChange>(&text).unwrap(), approve);
        assert!(serde_json::from_str::<SlotChange>(&text.replace("digest", "digset")).is_err());
    }
}

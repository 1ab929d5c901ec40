//! What an operator does to the slots, as it is said over the socket and carried out with or without a node.

use super::steps::Stop;
use super::tally::Figures;
use crate::config::Guest;
use pylon_core::ports::installations::{Installation, Installed, Purpose, Standby};
use pylon_core::{Digest, PublicKey, UnixTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something to do to a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub enum Deed {
    /// Put a guest there, or beside the one that serves.
    Install {
        /// Which slot.
        slot: String,
        /// As a table of the settings says it.
        guest: Guest,
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

impl Deed {
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
pub(crate) const REMOVED: &str = "removed";

/// A guest in a slot or beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seated {
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
    pub generation: Option<u64>,
    /// Since when.
    pub since: u64,
    /// How it does; only of a node that runs.
    #[serde(flatten, skip_serializing_if = "Option::is_none", default)]
    pub figures: Option<Figures>,
    /// Questions that a shadow was not asked, because others had to be answered first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub missed: Option<u64>,
}

impl Seated {
    /// One that serves; `None` for an empty slot.
    pub fn serving(row: &Installation, figures: Option<Figures>) -> Option<Self> {
        let seated = Self::of(&row.slot, row.guest.as_ref()?, "serving", row.at);
        Some(Self { generation: Some(row.generation), figures, ..seated })
    }

    /// One that stands beside.
    pub fn beside(standby: &Standby, missed: Option<u64>) -> Self {
        Self {
            beyond: standby.beyond.clone(),
            missed: missed.filter(|_| standby.purpose == Purpose::Shadow),
            ..Self::of(&standby.slot, &standby.guest, standby.purpose.word(), standby.since)
        }
    }

    fn of(slot: &str, guest: &Installed, standing: &str, since: UnixTime) -> Self {
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
            generation: None,
            since: since.get(),
            figures: None,
            missed: None,
        }
    }
}

/// Why nothing was done, as it is said over the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The step that failed, in a word.
    pub code: String,
    /// In a line.
    pub error: String,
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        Self { code: stop.code.into(), error: stop.why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: nothing that an order says is passed over. Method: an approval as it is written, and with a name that means nothing.
    #[test]
    fn an_order_is_read_to_its_end() {
        let digest = Digest::of(b"seen");
        let approve = Deed::Approve { slot: "handler:5050".into(), digest: Some(digest) };
        let text = serde_json::to_string(&approve).unwrap();
        assert_eq!(serde_json::from_str::<Deed>(&text).unwrap(), approve);
        assert!(serde_json::from_str::<Deed>(&text.replace("digest", "digset")).is_err());
    }
}

//! What can be set of the guests: each slot's own table, and what holds for all of them.

use super::mistake;
use crate::guests::{Place, bounds, grants};
use pylon_adapters::market::identity::parse_public_key;
use pylon_core::{Digest, PublicKey};
use pylon_sandbox::Slot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A slot as it is written: another spelling would be another key, and hold for nobody.
pub(super) fn slot(text: &str) -> Result<Slot, String> {
    let slot: Slot = text.parse().map_err(|error| format!("{error}"))?;
    if slot.to_string() == text { Ok(slot) } else { Err(format!("`{text}` is written `{slot}`")) }
}

const PUBLISHERS_MAX: usize = 64;

/// What is set for one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guest {
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

impl Guest {
    /// The key that makes no sense, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let place =
            Place::parse(&self.source).map_err(|why| ("source", format!("`source`: {why}")))?;
        if !self.digest.is_empty() && Digest::from_hex(&self.digest).is_none() {
            return Err((
                "digest",
                format!("`digest`: `{}` is not 64 lowercase hex digits", self.digest),
            ));
        }
        if matches!(place, Place::Web(_)) && self.digest.is_empty() {
            return Err(("source", "`source`: an address needs a `digest` beside it".into()));
        }
        bounds::limits(&self.bounds).map_err(|name| {
            let hint = mistake::nearest(&name, bounds::names().iter().map(String::as_str));
            ("bounds", format!("`bounds`: no limit `{name}`; {hint}"))
        })?;
        grants::parse(self.grants.as_deref().unwrap_or_default())
            .map_err(|why| ("grants", format!("`grants`: {why}")))?;
        Ok(())
    }
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
    pub(super) fn check(&self) -> Result<(), (Vec<&str>, String)> {
        let publishers = &self.trusted_publishers;
        if publishers.len() > PUBLISHERS_MAX {
            let what = format!(
                "`trusted_publishers` names {}: at most {PUBLISHERS_MAX}",
                publishers.len()
            );
            return Err((vec!["lockdown", "trusted_publishers"], what));
        }
        if let Some(no_key) = publishers.iter().find(|key| parse_public_key(key).is_none()) {
            let what = format!(
                "`trusted_publishers`: `{no_key}` is not a public key: npub1… or 64 hex digits"
            );
            return Err((vec!["lockdown", "trusted_publishers"], what));
        }
        if !self.allow_compile && publishers.is_empty() {
            let what =
                "`allow_compile = false` needs `trusted_publishers`: whose images may run here";
            return Err((vec!["lockdown", "allow_compile"], what.into()));
        }
        for (slot, names) in &self.max_grants {
            let wrong = |why: String| {
                (vec!["lockdown", "max_grants", slot], format!("`max_grants`: {why}"))
            };
            self::slot(slot).map_err(wrong)?;
            grants::parse(names).map_err(wrong)?;
        }
        Ok(())
    }

    /// Whose releases may be installed; empty for anybody's.
    pub fn publishers(&self) -> Vec<PublicKey> {
        self.trusted_publishers.iter().filter_map(|key| parse_public_key(key)).collect()
    }

    /// Must there be a release?
    pub fn needs_release(&self) -> bool {
        self.require_signature || !self.trusted_publishers.is_empty()
    }
}

//! The settings of guests: `[guests.SLOT]`, `[lockdown]` and `guest_drain_seconds`.

use crate::source::ComponentSource;
use crate::{grants, limits};
use pylon_core::settings::{InvalidSetting, Section, closest, nearest};
use pylon_core::slots::{GuestConfig, Lockdown};
use pylon_core::{Digest, PublicKey};
use pylon_nostr::identity::parse_public_key;
use pylon_sandbox::Slot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DRAIN_SECONDS_MAX: u32 = 7 * 24 * 3600;
const PUBLISHERS_MAX: usize = 64;

/// The settings of guests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long jobs may continue with replaced guests.
    pub guest_drain_seconds: u32,
    /// The guests, by slot.
    pub guests: BTreeMap<String, GuestConfig>,
    /// Which guests may be installed.
    pub lockdown: Lockdown,
}

impl Default for Config {
    fn default() -> Self {
        Self { guest_drain_seconds: 3600, guests: BTreeMap::new(), lockdown: Lockdown::default() }
    }
}

impl Section for Config {
    fn check(&self) -> Result<(), InvalidSetting> {
        if self.guest_drain_seconds > DRAIN_SECONDS_MAX {
            let message = format!(
                "`guest_drain_seconds` is {}: at most {DRAIN_SECONDS_MAX}",
                self.guest_drain_seconds
            );
            return Err(InvalidSetting::new(&["guest_drain_seconds"], message));
        }
        for (name, guest) in &self.guests {
            if slot(name).is_err() {
                let message = format!("`{name}` is not a slot; {}", slot_hint(name));
                return Err(InvalidSetting::new(&["guests", name], message));
            }
            check_guest(guest)
                .map_err(|(key, why)| InvalidSetting::new(&["guests", name, key], why))?;
        }
        check_lockdown(&self.lockdown).map_err(|invalid| invalid.below("lockdown"))
    }

    fn reloaded(&self, next: &Self) -> Self {
        let Self { guest_drain_seconds, guests, lockdown } = next.clone();
        let Lockdown { trusted_publishers, require_signature, allow_compile: _, max_grants } =
            lockdown;
        // The sandbox was opened with or without a compiler.
        let allow_compile = self.lockdown.allow_compile;
        Self {
            guest_drain_seconds,
            guests,
            lockdown: Lockdown { trusted_publishers, require_signature, allow_compile, max_grants },
        }
    }
}

/// The keys whose releases may be installed; empty for any.
pub fn publishers(lockdown: &Lockdown) -> Vec<PublicKey> {
    lockdown.trusted_publishers.iter().filter_map(|key| parse_public_key(key)).collect()
}

/// The slot of this name, in its only spelling.
fn slot(text: &str) -> Result<Slot, String> {
    let slot: Slot = text.parse().map_err(|error| format!("{error}"))?;
    if slot.to_string() == text { Ok(slot) } else { Err(format!("write `{slot}`, not `{text}`")) }
}

fn slot_hint(name: &str) -> String {
    let (role, kind) = name.split_once(':').map_or((name, None), |(role, kind)| (role, Some(kind)));
    let kind = kind.filter(|kind| slot(&format!("handler:{kind}")).is_ok());
    let roles = ["routing", "pricing", "verification", "handler"];
    match (closest(role, roles.into_iter()), kind) {
        (Some(near), Some(kind)) => format!("did you mean `{near}:{kind}`?"),
        (Some("handler"), None) => "did you mean `handler:5050`?".into(),
        (Some(near), None) => format!("did you mean `{near}`?"),
        (None, _) => "expected `routing`, `pricing`, `verification` or `handler:KIND`".into(),
    }
}

/// The error is the key with an invalid value, and why it is invalid.
fn check_guest(guest: &GuestConfig) -> Result<(), (&'static str, String)> {
    let source = ComponentSource::parse(&guest.source)
        .map_err(|why| ("source", format!("`source`: {why}")))?;
    if !guest.digest.is_empty() && Digest::from_hex(&guest.digest).is_none() {
        return Err((
            "digest",
            format!("`digest`: `{}` is not 64 lowercase hex digits", guest.digest),
        ));
    }
    if matches!(source, ComponentSource::Url(_)) && guest.digest.is_empty() {
        return Err(("source", "`source`: an https URL also needs `digest`".into()));
    }
    limits::parse(&guest.limits).map_err(|name| {
        let hint = nearest(&name, limits::names().iter().map(String::as_str));
        ("limits", format!("`limits`: no limit `{name}`; {hint}"))
    })?;
    grants::parse(guest.grants.as_deref().unwrap_or_default())
        .map_err(|why| ("grants", format!("`grants`: {why}")))?;
    Ok(())
}

fn check_lockdown(lockdown: &Lockdown) -> Result<(), InvalidSetting> {
    let publishers = &lockdown.trusted_publishers;
    let invalid = |message: String| InvalidSetting::new(&["trusted_publishers"], message);
    if publishers.len() > PUBLISHERS_MAX {
        return Err(invalid(format!(
            "`trusted_publishers` has {} keys: at most {PUBLISHERS_MAX}",
            publishers.len()
        )));
    }
    if let Some(key) = publishers.iter().find(|key| parse_public_key(key).is_none()) {
        return Err(invalid(format!(
            "`trusted_publishers`: `{key}` is not a public key: npub1… or 64 hex digits"
        )));
    }
    if !lockdown.allow_compile && publishers.is_empty() {
        let message = "`allow_compile = false` needs `trusted_publishers`: the keys that sign \
                       precompiled code";
        return Err(InvalidSetting::new(&["allow_compile"], message));
    }
    for (name, grants) in &lockdown.max_grants {
        let invalid = |why: String| {
            InvalidSetting::new(&["max_grants", name], format!("`max_grants`: {why}"))
        };
        slot(name).map_err(invalid)?;
        grants::parse(grants).map_err(invalid)?;
    }
    Ok(())
}

//! The settings of guests: `[guests.SLOT]`, `[lockdown]` and `guest_drain_seconds`.

use crate::{Place, bounds, grants};
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
    /// Seconds that jobs may still take when a guest they were admitted with is replaced.
    pub guest_drain_seconds: u32,
    /// The guests, by slot.
    pub guests: BTreeMap<String, GuestConfig>,
    /// What may be installed at all.
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
                let message = format!("`{name}` is no slot; {}", slots_near(name));
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
        // The sandbox is built with or without a compiler.
        let allow_compile = self.lockdown.allow_compile;
        Self {
            guest_drain_seconds,
            guests,
            lockdown: Lockdown { trusted_publishers, require_signature, allow_compile, max_grants },
        }
    }
}

/// The slot of this name. Another spelling would be another key and match nothing.
fn slot(text: &str) -> Result<Slot, String> {
    let slot: Slot = text.parse().map_err(|error| format!("{error}"))?;
    if slot.to_string() == text { Ok(slot) } else { Err(format!("`{text}` is written `{slot}`")) }
}

fn slots_near(name: &str) -> String {
    let (role, kind) = name.split_once(':').map_or((name, None), |(role, kind)| (role, Some(kind)));
    let kind = kind.filter(|kind| slot(&format!("handler:{kind}")).is_ok());
    let roles = ["routing", "pricing", "verification", "handler"];
    match (closest(role, roles.into_iter()), kind) {
        (Some(near), Some(kind)) => format!("did you mean `{near}:{kind}`?"),
        (Some("handler"), None) => "did you mean `handler:5050`?".into(),
        (Some(near), None) => format!("did you mean `{near}`?"),
        (None, _) => {
            "there is `routing`, `pricing`, `verification` and, for each kind, `handler:5050`"
                .into()
        }
    }
}

/// The key with an invalid value, and why.
fn check_guest(guest: &GuestConfig) -> Result<(), (&'static str, String)> {
    let place =
        Place::parse(&guest.source).map_err(|why| ("source", format!("`source`: {why}")))?;
    if !guest.digest.is_empty() && Digest::from_hex(&guest.digest).is_none() {
        return Err((
            "digest",
            format!("`digest`: `{}` is not 64 lowercase hex digits", guest.digest),
        ));
    }
    if matches!(place, Place::Web(_)) && guest.digest.is_empty() {
        return Err(("source", "`source`: an https address also needs `digest`".into()));
    }
    bounds::limits(&guest.bounds).map_err(|name| {
        let hint = nearest(&name, bounds::names().iter().map(String::as_str));
        ("bounds", format!("`bounds`: no limit `{name}`; {hint}"))
    })?;
    grants::parse(guest.grants.as_deref().unwrap_or_default())
        .map_err(|why| ("grants", format!("`grants`: {why}")))?;
    Ok(())
}

fn check_lockdown(rules: &Lockdown) -> Result<(), InvalidSetting> {
    let publishers = &rules.trusted_publishers;
    let invalid = |message: String| InvalidSetting::new(&["trusted_publishers"], message);
    if publishers.len() > PUBLISHERS_MAX {
        return Err(invalid(format!(
            "`trusted_publishers` names {}: at most {PUBLISHERS_MAX}",
            publishers.len()
        )));
    }
    if let Some(key) = publishers.iter().find(|key| parse_public_key(key).is_none()) {
        return Err(invalid(format!(
            "`trusted_publishers`: `{key}` is not a public key: npub1… or 64 hex digits"
        )));
    }
    if !rules.allow_compile && publishers.is_empty() {
        let message =
            "`allow_compile = false` needs `trusted_publishers`: whose images may run here";
        return Err(InvalidSetting::new(&["allow_compile"], message));
    }
    for (name, grants) in &rules.max_grants {
        let wrong = |why: String| {
            InvalidSetting::new(&["max_grants", name], format!("`max_grants`: {why}"))
        };
        slot(name).map_err(wrong)?;
        grants::parse(grants).map_err(wrong)?;
    }
    Ok(())
}

/// The keys whose releases may be installed; empty for any.
pub fn publishers(rules: &Lockdown) -> Vec<PublicKey> {
    rules.trusted_publishers.iter().filter_map(|key| parse_public_key(key)).collect()
}

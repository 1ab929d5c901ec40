//! The settings of the market: the node's profile on Nostr, and its relays.

use pylon_core::settings::{InvalidSetting, Section};
use serde::{Deserialize, Serialize};

const RELAYS_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 64;
const DESCRIPTION_BYTES_MAX: usize = 1024;

/// The node's profile on Nostr, and its relays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The name in the node's profile; empty leaves the published profile as it is.
    pub name: String,
    /// The description in the node's profile; empty leaves the published profile as it is.
    pub description: String,
    /// Relays to listen on for jobs and to publish results to.
    pub relays: Vec<String>,
    /// Also publish to relays that customers name.
    pub customer_relays: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "Pylon Provider".into(),
            description: String::new(),
            relays: ["wss://nexus.openagents.com", "wss://relay.damus.io", "wss://nos.lol"]
                .map(String::from)
                .to_vec(),
            customer_relays: false,
        }
    }
}

impl Section for Config {
    fn check(&self) -> Result<(), InvalidSetting> {
        for (key, text, max) in [
            ("name", &self.name, NAME_BYTES_MAX),
            ("description", &self.description, DESCRIPTION_BYTES_MAX),
        ] {
            if text.len() > max {
                let message = format!("`{key}` is {} bytes long: at most {max}", text.len());
                return Err(InvalidSetting::new(&[key], message));
            }
        }
        let invalid = |message: String| InvalidSetting::new(&["relays"], message);
        if self.relays.is_empty() {
            let message =
                "`relays` is empty: name at least one, or remove the key to use the default";
            return Err(invalid(message.into()));
        }
        if self.relays.len() > RELAYS_MAX {
            return Err(invalid(format!(
                "`relays` names {}: at most {RELAYS_MAX}",
                self.relays.len()
            )));
        }
        for relay in &self.relays {
            pylon_egress::configured_url::check(relay, &["ws", "wss"])
                .map_err(|cause| invalid(format!("`relays`: {cause}")))?;
        }
        Ok(())
    }

    fn reloaded(&self, next: &Self) -> Self {
        let Self { name, description, relays, customer_relays } = next.clone();
        Self { name, description, relays, customer_relays }
    }
}

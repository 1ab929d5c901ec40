//! `[network]`: which addresses in requests the node may connect to. None by default.

use pylon_core::settings::{InvalidSetting, Section};
use serde::{Deserialize, Serialize};
use url::Url;

const CHAIN_WAIT_SECONDS_MAX: u32 = 3600;
const ALLOWED_MAX: usize = 64;

/// Which addresses in requests the node may connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Inputs may be web pages.
    pub fetch_urls: bool,
    /// Inputs may be Nostr events.
    pub fetch_events: bool,
    /// Inputs may be results of other jobs.
    pub chain_jobs: bool,
    /// The timeout for the result of another job.
    pub chain_wait_seconds: u32,
    /// Exceptions from the egress policy, each `HOST:PORT`.
    pub allow: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            fetch_urls: false,
            fetch_events: false,
            chain_jobs: false,
            chain_wait_seconds: 300,
            allow: Vec::new(),
        }
    }
}

impl Section for Config {
    fn check(&self) -> Result<(), InvalidSetting> {
        let wait = self.chain_wait_seconds;
        if !(1..=CHAIN_WAIT_SECONDS_MAX).contains(&wait) {
            return Err(InvalidSetting::new(
                &["chain_wait_seconds"],
                format!("`chain_wait_seconds` is {wait}: it can be 1 to {CHAIN_WAIT_SECONDS_MAX}"),
            ));
        }
        if self.allow.len() > ALLOWED_MAX {
            return Err(InvalidSetting::new(
                &["allow"],
                format!("`allow` names {}: at most {ALLOWED_MAX}", self.allow.len()),
            ));
        }
        match self.allow.iter().find(|address| !is_host_and_port(address)) {
            None => Ok(()),
            Some(address) => Err(InvalidSetting::new(
                &["allow"],
                format!("`allow`: `{address}` is not HOST:PORT, such as 127.0.0.1:8080"),
            )),
        }
    }

    fn reloaded(&self, next: &Self) -> Self {
        // The clients are built from these settings at the start.
        let Self { fetch_urls: _, fetch_events: _, chain_jobs: _, chain_wait_seconds: _, allow: _ } =
            next;
        self.clone()
    }
}

/// Whether this is a host in the spelling of URLs, and a port.
fn is_host_and_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let spelled = Url::parse(&format!("https://{address}/"))
        .ok()
        .and_then(|url| Some(url.host_str()?.eq_ignore_ascii_case(host)));
    spelled == Some(true) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

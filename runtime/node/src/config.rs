//! What the operator may set: every key with its default, and a clear line for every mistake.
//!
//! `pylon.example.toml` shows the same keys with the same defaults; a test holds the two together. Nothing here acts on a setting.

mod guests;
mod keys;
pub(crate) mod mistake;

pub use guests::{Guest, Lockdown};
pub use keys::Setting;

use crate::home::Home;
use anyhow::{Context, Result, bail};
use mistake::Mistake;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use url::Url;

/// More than anybody writes by hand.
const FILE_BYTES_MAX: u64 = 1 << 20;
const RELAYS_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 64;
const DESCRIPTION_BYTES_MAX: usize = 1024;
const CONCURRENT_JOBS_MAX: u32 = 256;
const QUEUED_JOBS_MAX: u32 = 100_000;
const CHAIN_WAIT_SECONDS_MAX: u32 = 3600;
const ALLOWED_MAX: usize = 64;
const KEEP_TEXT_DAYS_MAX: u32 = 3650;
const KEEP_TEXT_MB_MAX: u32 = 1024 * 1024;
const GUEST_DRAIN_SECONDS_MAX: u32 = 7 * 24 * 3600;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What the node is called on the market; empty leaves the profile as it is.
    pub name: String,
    /// What the node says of itself on the market; empty keeps what the profile says.
    pub description: String,
    /// Where to listen for jobs and publish results.
    pub relays: Vec<String>,
    /// Answers go to the relays that customers name, too.
    pub customer_relays: bool,
    /// The backend to prefer; empty takes the first that is ready.
    pub default_backend: String,
    /// The model for jobs that name none; empty takes the backend's first.
    pub default_model: String,
    /// Jobs at work at once.
    pub max_concurrent_jobs: u32,
    /// Jobs that may wait; further ones are turned away.
    pub max_queued_jobs: u32,
    /// How long texts are kept.
    pub journal: Journal,
    /// What may be reached that the operator did not name.
    pub network: Network,
    /// Where the servers that generate text are.
    pub inference: Inference,
    /// Seconds that jobs have left when a guest that they were taken with is replaced.
    pub guest_drain_seconds: u32,
    /// The guests, by slot.
    pub guests: BTreeMap<String, Guest>,
    /// What may be installed at all.
    pub lockdown: Lockdown,
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
            default_backend: String::new(),
            default_model: String::new(),
            max_concurrent_jobs: 1,
            max_queued_jobs: 64,
            journal: Journal::default(),
            network: Network::default(),
            inference: Inference::default(),
            guest_drain_seconds: 3600,
            guests: BTreeMap::new(),
            lockdown: Lockdown::default(),
        }
    }
}

/// How long the texts of finished jobs are kept. Their numbers stay for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Not longer than this; 0: until the job is finished and delivered.
    pub keep_text_days: u32,
    /// Not more than this in all; the oldest go first.
    pub keep_text_mb: u32,
}

impl Journal {
    fn check(&self) -> Result<(), (Vec<&str>, String)> {
        let Self { keep_text_days: days, keep_text_mb: mb } = *self;
        if days > KEEP_TEXT_DAYS_MAX {
            let what = format!("`keep_text_days` is {days}: it can be 0 to {KEEP_TEXT_DAYS_MAX}");
            return Err((vec!["journal", "keep_text_days"], what));
        }
        if !(1..=KEEP_TEXT_MB_MAX).contains(&mb) {
            let what = format!("`keep_text_mb` is {mb}: it can be 1 to {KEEP_TEXT_MB_MAX}");
            return Err((vec!["journal", "keep_text_mb"], what));
        }
        Ok(())
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self { keep_text_days: 30, keep_text_mb: 1024 }
    }
}

/// What may be reached that the operator did not name. All of it is off by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Jobs may name pages to work on.
    pub fetch_urls: bool,
    /// Jobs may name events to work on.
    pub fetch_events: bool,
    /// Jobs may work on the results of other jobs.
    pub chain_jobs: bool,
    /// How long the result of another job is waited for.
    pub chain_wait_seconds: u32,
    /// Places that strangers may name although they are not public, each `HOST:PORT`.
    pub allow: Vec<String>,
}

impl Network {
    fn check(&self) -> Result<(), (Vec<&str>, String)> {
        let wait = self.chain_wait_seconds;
        if !(1..=CHAIN_WAIT_SECONDS_MAX).contains(&wait) {
            let what =
                format!("`chain_wait_seconds` is {wait}: it can be 1 to {CHAIN_WAIT_SECONDS_MAX}");
            return Err((vec!["network", "chain_wait_seconds"], what));
        }
        if self.allow.len() > ALLOWED_MAX {
            return Err((
                vec!["network", "allow"],
                format!("`allow` names {}: at most {ALLOWED_MAX}", self.allow.len()),
            ));
        }
        match self.allow.iter().find(|place| !is_place(place)) {
            None => Ok(()),
            Some(place) => Err((
                vec!["network", "allow"],
                format!("`allow`: `{place}` is not HOST:PORT, such as 127.0.0.1:8080"),
            )),
        }
    }
}

/// A host as an address spells it, and a port.
fn is_place(place: &str) -> bool {
    let Some((host, port)) = place.rsplit_once(':') else { return false };
    let spelled = Url::parse(&format!("https://{place}/"))
        .ok()
        .and_then(|url| Some(url.host_str()?.eq_ignore_ascii_case(host)));
    spelled == Some(true) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

impl Default for Network {
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

/// The servers that generate text, one table each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inference {
    /// A llama.cpp server.
    pub llama_cpp: LlamaCpp,
}

impl Inference {
    /// The names that `default_backend` may take: the tables above.
    pub const BACKENDS: &[&str] = &["llama_cpp"];
}

/// A llama.cpp server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LlamaCpp {
    /// Its address.
    pub url: String,
}

impl Default for LlamaCpp {
    fn default() -> Self {
        Self { url: "http://localhost:8080".into() }
    }
}

/// A file to begin with: every setting with its help and its default, none of them set.
pub fn template() -> String {
    const EXAMPLE: &str = include_str!("../../../pylon.example.toml");
    let own = "# Everything that can be set, with its default. Take the `#` from what you change; a partial file is enough.\n";
    // The example's first two lines say what to do with the example.
    let settings = EXAMPLE.lines().skip(2).map(|line| match line {
        _ if line.is_empty() || line.starts_with("# ") => format!("{line}\n"),
        _ => format!("#{}\n", line.strip_prefix("#:").map_or(line, str::trim_start)),
    });
    std::iter::once(own.to_owned()).chain(settings).collect()
}

/// The file that the settings come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    /// It was named, so it must be there.
    named: bool,
}

impl Source {
    /// The one that was named, or the home's own.
    pub fn new(home: &Home, named: Option<&Path>) -> Self {
        Self {
            path: named.map_or_else(|| home.config_file(), Path::to_owned),
            named: named.is_some(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says; without a file of the home, all defaults.
    pub fn load(&self) -> Result<Config> {
        if self.named { Config::load(&self.path) } else { Config::load_or_default(&self.path) }
    }

    /// Every setting that holds, and where it comes from.
    pub fn explain(&self) -> Result<Vec<Setting>> {
        let config = self.load()?;
        let text = Config::text(&self.path)?.unwrap_or_default();
        Ok(config.explained(&text))
    }
}

impl Config {
    /// From a file that must be there.
    pub fn load(path: &Path) -> Result<Self> {
        Self::read(path)?.with_context(|| format!("{}: no such file", path.display()))
    }

    /// From a file, or all defaults without one.
    pub fn load_or_default(path: &Path) -> Result<Self> {
        Ok(Self::read(path)?.unwrap_or_default())
    }

    fn read(path: &Path) -> Result<Option<Self>> {
        let Some(text) = Self::text(path)? else { return Ok(None) };
        match Self::parse(&text) {
            Ok(config) => Ok(Some(config)),
            Err(mistake) => bail!("{}:{mistake}", path.display()),
        }
    }

    fn text(path: &Path) -> Result<Option<String>> {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let mut text = String::new();
        match file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text) {
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                bail!("{} is not UTF-8 text", path.display())
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
            Ok(read) if read as u64 > FILE_BYTES_MAX => {
                bail!("{} is larger than {FILE_BYTES_MAX} bytes", path.display())
            }
            Ok(_) => Ok(Some(text)),
        }
    }

    fn parse(text: &str) -> Result<Self, Mistake> {
        let config: Self = toml::from_str(text).map_err(|error| Mistake::of_form(text, &error))?;
        config.check().map_err(|(keys, what)| Mistake::at_key(text, &keys, what))?;
        Ok(config)
    }

    /// The first key whose value makes no sense, and why.
    fn check(&self) -> Result<(), (Vec<&str>, String)> {
        let wrong = |keys: &[&'static str], what: String| Err((keys.to_vec(), what));
        for (key, text, max) in [
            ("name", &self.name, NAME_BYTES_MAX),
            ("description", &self.description, DESCRIPTION_BYTES_MAX),
        ] {
            if text.len() > max {
                return wrong(
                    &[key],
                    format!("`{key}` is {} bytes long: at most {max}", text.len()),
                );
            }
        }
        if self.relays.is_empty() {
            return wrong(
                &["relays"],
                "`relays` is empty: name at least one, or leave the key out for the default".into(),
            );
        }
        if self.relays.len() > RELAYS_MAX {
            return wrong(
                &["relays"],
                format!("`relays` names {}: at most {RELAYS_MAX}", self.relays.len()),
            );
        }
        for relay in &self.relays {
            address(relay, &["ws", "wss"])
                .or_else(|what| wrong(&["relays"], format!("`relays`: {what}")))?;
        }
        if !self.default_backend.is_empty()
            && !Inference::BACKENDS.contains(&self.default_backend.as_str())
        {
            let hint = mistake::nearest(&self.default_backend, Inference::BACKENDS.iter().copied());
            return wrong(
                &["default_backend"],
                format!("`default_backend`: no backend `{}`; {hint}", self.default_backend),
            );
        }
        for (key, value, max) in [
            ("max_concurrent_jobs", self.max_concurrent_jobs, CONCURRENT_JOBS_MAX),
            ("max_queued_jobs", self.max_queued_jobs, QUEUED_JOBS_MAX),
        ] {
            if !(1..=max).contains(&value) {
                return wrong(&[key], format!("`{key}` is {value}: it can be 1 to {max}"));
            }
        }
        self.journal.check()?;
        self.network.check()?;
        address(&self.inference.llama_cpp.url, &["http", "https"])
            .or_else(|what| wrong(&["inference", "llama_cpp", "url"], format!("`url`: {what}")))?;
        if self.guest_drain_seconds > GUEST_DRAIN_SECONDS_MAX {
            let what = format!(
                "`guest_drain_seconds` is {}: at most {GUEST_DRAIN_SECONDS_MAX}",
                self.guest_drain_seconds
            );
            return Err((vec!["guest_drain_seconds"], what));
        }
        for (slot, guest) in &self.guests {
            if !is_slot(slot) {
                return Err((
                    vec!["guests", slot],
                    format!("`{slot}` is no slot; {}", slots_near(slot)),
                ));
            }
            guest.check().map_err(|(key, what)| (vec!["guests", slot, key], what))?;
        }
        self.lockdown.check()
    }
}

fn address(text: &str, schemes: &[&str]) -> Result<(), String> {
    let expected = || {
        format!(
            "`{text}` is not a {} address",
            schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(" or ")
        )
    };
    let url = Url::parse(text).map_err(|_| expected())?;
    if !schemes.contains(&url.scheme()) || !url.has_host() {
        return Err(expected());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "the address of `{}` carries a user or password: leave them out",
            url.host_str().unwrap_or_default()
        ));
    }
    Ok(())
}

fn is_slot(slot: &str) -> bool {
    guests::slot(slot).is_ok()
}

fn slots_near(slot: &str) -> String {
    let (name, kind) = slot.split_once(':').map_or((slot, None), |(name, kind)| (name, Some(kind)));
    let kind = kind.filter(|kind| is_slot(&format!("handler:{kind}")));
    match (
        mistake::closest(name, ["routing", "pricing", "verification", "handler"].into_iter()),
        kind,
    ) {
        (Some(near), Some(kind)) => format!("did you mean `{near}:{kind}`?"),
        (Some("handler"), None) => "did you mean `handler:5050`?".into(),
        (Some(near), None) => format!("did you mean `{near}`?"),
        (None, _) => {
            "there is `routing`, `pricing`, `verification` and, for each kind, `handler:5050`"
                .into()
        }
    }
}

#[cfg(test)]
mod tests;

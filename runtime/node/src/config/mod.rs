//! The settings of a node: each crate's section, read from one file.
//!
//! `pylon.example.toml` shows every key with its default; a test compares the two. Nothing here
//! acts on a setting.

#[cfg(test)]
mod tests;

use crate::home::Home;
use anyhow::{Context, Result, bail};
use pylon_config::{ConfigError, Document, EffectiveSetting};
use pylon_core::settings::Section as _;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Every setting, by the section that owns it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `name`, `description`, `relays`, `customer_relays`.
    pub market: pylon_nostr::Config,
    /// `default_backend`, `default_model`, `[inference]`.
    pub inference: pylon_adapters::inference::Config,
    /// `max_concurrent_jobs`, `max_queued_jobs`.
    pub provider: pylon_provider::Config,
    /// `[journal]`.
    pub journal: pylon_journal::Config,
    /// `[network]`.
    pub network: pylon_egress::Config,
    /// `guest_drain_seconds`, `[guests]`, `[lockdown]`.
    pub slots: pylon_slots::Config,
}

impl Config {
    /// Reads a file that must exist.
    pub fn load(path: &Path) -> Result<Self> {
        Self::read(path)?.with_context(|| format!("{}: no such file", path.display()))
    }

    /// Reads a file; all defaults if it does not exist.
    pub fn load_or_default(path: &Path) -> Result<Self> {
        Ok(Self::read(path)?.unwrap_or_default())
    }

    fn read(path: &Path) -> Result<Option<Self>> {
        let Some(text) = pylon_config::read_text(path)? else { return Ok(None) };
        match Self::parse(&text) {
            Ok(config) => Ok(Some(config)),
            Err(error) => bail!("{}:{error}", path.display()),
        }
    }

    fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut document = Document::parse(text)?;
        let config = Self {
            market: document.section()?,
            inference: document.section()?,
            provider: document.section()?,
            journal: document.table("journal")?,
            network: document.table("network")?,
            slots: document.section()?,
        };
        document.finish()?;
        Ok(config)
    }

    /// The settings in effect after a reload of `next`: those that need a restart keep their value.
    #[must_use]
    pub fn reloaded(&self, next: &Self) -> Self {
        let Self { market, inference, provider, journal, network, slots } = next;
        Self {
            market: self.market.reloaded(market),
            inference: self.inference.reloaded(inference),
            provider: self.provider.reloaded(provider),
            journal: self.journal.reloaded(journal),
            network: self.network.reloaded(network),
            slots: self.slots.reloaded(slots),
        }
    }

    /// The keys whose values differ.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        pylon_config::differences(&self.table(), &other.table())
    }

    /// Every setting, and the line of `text` that sets it.
    pub fn explain(&self, text: &str) -> Vec<EffectiveSetting> {
        pylon_config::explain(&self.table(), text)
    }

    /// Every key with its value, as in the file.
    fn table(&self) -> toml::Table {
        let Self { market, inference, provider, journal, network, slots } = self;
        let mut all = toml::Table::new();
        let flat = [table(market), table(inference), table(provider), table(slots)];
        flat.into_iter().for_each(|section| all.extend(section));
        all.insert("journal".into(), table(journal).into());
        all.insert("network".into(), table(network).into());
        all
    }
}

fn table(section: &impl Serialize) -> toml::Table {
    toml::Table::try_from(section).unwrap_or_default()
}

/// The content of a new `config.toml`: every setting with its description and default, commented
/// out.
pub fn template() -> String {
    const EXAMPLE: &str = include_str!("../../../../pylon.example.toml");
    let header = "# Every setting with its default. To change one, remove the `#` before it.\n";
    // The first three lines of the example describe the example.
    let settings = EXAMPLE.lines().skip(3).map(|line| match line {
        _ if line.is_empty() || line.starts_with("# ") => format!("{line}\n"),
        _ => format!("#{}\n", line.strip_prefix("#:").map_or(line, str::trim_start)),
    });
    std::iter::once(header.to_owned()).chain(settings).collect()
}

/// The file that the settings are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    path: PathBuf,
    /// The file was named on the command line, so it must exist.
    is_named: bool,
}

impl Source {
    /// The named file, or that of the home.
    pub fn new(home: &Home, named: Option<&Path>) -> Self {
        Self {
            path: named.map_or_else(|| home.config_file(), Path::to_owned),
            is_named: named.is_some(),
        }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the settings; all defaults if the home has no file.
    pub fn load(&self) -> Result<Config> {
        if self.is_named { Config::load(&self.path) } else { Config::load_or_default(&self.path) }
    }

    /// Every setting with its effective value, and the line that sets it.
    pub fn explain(&self) -> Result<Vec<EffectiveSetting>> {
        let config = self.load()?;
        let text = pylon_config::read_text(&self.path)?.unwrap_or_default();
        Ok(config.explain(&text))
    }
}

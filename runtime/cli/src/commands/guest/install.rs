//! `pylon guest install`: installs a guest into a slot.

use super::slot_change;
use crate::args::guest::InstallArgs;
use anyhow::{Context, Result, bail};
use pylon_core::slots::GuestConfig;
use pylon_core::slots::SlotChange;
use pylon_slots::{component, not_found_message};
use std::path::Path;

/// Sends the change to the node, with an absolute path.
pub(super) fn run(args: &InstallArgs) -> Result<()> {
    let guest = GuestConfig {
        source: source(&args.source)?,
        digest: args.digest.map(|digest| digest.to_hex()).unwrap_or_default(),
        settings: args.settings.iter().cloned().collect(),
        ..GuestConfig::default()
    };
    let change = SlotChange::Install { slot: args.slot.to_string(), guest, shadow: args.shadow };
    slot_change::apply(&change, args.json)
}

fn source(text: &str) -> Result<String> {
    if component(text).is_some() || text.contains("://") {
        return Ok(text.into());
    }
    let path =
        std::path::absolute(Path::new(text)).with_context(|| format!("`{text}` is not a path"))?;
    if !path.exists() {
        bail!("source: {}", not_found_message(text, &path));
    }
    path.into_os_string().into_string().ok().context("the path is not UTF-8 text: rename it")
}

//! `pylon guest install`.

use super::order;
use crate::args::guest::InstallArgs;
use anyhow::{Context, Result, bail};
use pylon_core::slots::GuestConfig;
use pylon_core::slots::SlotChange;
use pylon_slots::{component, not_found_message};
use std::path::Path;

/// Hands it to the node, with a path that means the same there.
pub(super) fn run(args: &InstallArgs) -> Result<()> {
    let guest = GuestConfig {
        source: source(&args.source)?,
        digest: args.digest.map(|digest| digest.to_hex()).unwrap_or_default(),
        settings: args.settings.iter().cloned().collect(),
        ..GuestConfig::default()
    };
    let change = SlotChange::Install { slot: args.slot.to_string(), guest, shadow: args.shadow };
    order::apply(&change, args.json)
}

fn source(text: &str) -> Result<String> {
    if component(text).is_some() || text.contains("://") {
        return Ok(text.into());
    }
    let path =
        std::path::absolute(Path::new(text)).with_context(|| format!("`{text}` is no path"))?;
    if !path.exists() {
        bail!("source: {}", not_found_message(text, &path));
    }
    path.into_os_string()
        .into_string()
        .ok()
        .context("a path that is not UTF-8 text cannot be used: rename it")
}

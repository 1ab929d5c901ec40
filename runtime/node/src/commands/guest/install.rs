//! `pylon guest install`.

use super::order;
use crate::cli::guest::InstallArgs;
use crate::config::Guest;
use crate::guests::deed::Deed;
use crate::guests::{component, nothing};
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Hands it to the node, with a path that means the same there.
pub(super) fn run(args: &InstallArgs) -> Result<()> {
    let guest = Guest {
        source: source(&args.source)?,
        digest: args.digest.map(|digest| digest.to_hex()).unwrap_or_default(),
        settings: args.settings.iter().cloned().collect(),
        ..Guest::default()
    };
    let deed = Deed::Install { slot: args.slot.to_string(), guest, shadow: args.shadow };
    order::carry_out(&deed, args.json)
}

fn source(text: &str) -> Result<String> {
    if component(text).is_some() || text.contains("://") {
        return Ok(text.into());
    }
    let path =
        std::path::absolute(Path::new(text)).with_context(|| format!("`{text}` is no path"))?;
    if !path.exists() {
        bail!("source: {}", nothing(text, &path));
    }
    path.into_os_string()
        .into_string()
        .ok()
        .context("a path that is not UTF-8 text cannot be used: rename it")
}

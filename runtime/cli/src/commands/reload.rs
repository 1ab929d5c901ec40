//! `pylon reload`: makes the running node read its settings again.

use crate::args::JsonArgs;
use crate::output::{json, print};
use anyhow::Result;
use pylon_control_api::{Client, Reloaded};
use pylon_core::text::sanitize_line;
use pylon_node::home::Home;

/// Prints which settings are applied and which need a restart. An invalid file changes nothing.
pub(crate) fn run(args: &JsonArgs) -> Result<()> {
    let client = Client::new(Home::from_env()?.socket());
    let reloaded = super::block_on(async { Ok(client.reload().await?) })?;
    if args.json { json(&reloaded) } else { print(&page(&reloaded)) }
}

fn page(reloaded: &Reloaded) -> String {
    let mut out = String::new();
    if !reloaded.applied.is_empty() {
        out.push_str(&format!("applied: {}\n", reloaded.applied.join(", ")));
    }
    if !reloaded.needs_restart.is_empty() {
        out.push_str(&format!("after a restart: {}\n", reloaded.needs_restart.join(", ")));
    }
    for warning in &reloaded.warnings {
        out.push_str(&format!("warning: {}\n", sanitize_line(warning)));
    }
    if out.is_empty() { "no setting has changed\n".into() } else { out }
}

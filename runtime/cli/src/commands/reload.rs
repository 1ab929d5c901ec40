//! `pylon reload`: makes the running node read its settings again.

use super::doctor;
use crate::args::JsonArgs;
use crate::output::{json, paragraph, print};
use anyhow::Result;
use pylon_control_api::{Client, Reloaded};
use pylon_core::text::sanitize_line;
use pylon_node::home::Home;

/// Prints which settings are applied and which need a restart. An invalid file changes nothing.
pub(crate) fn run(args: &JsonArgs) -> Result<()> {
    let home = Home::from_env()?;
    let client = Client::new(home.socket());
    let reloaded = super::block_on(async {
        let mut reloaded = client.reload().await?;
        // What was applied works; the rest was only read.
        if !reloaded.needs_restart.is_empty() {
            let failures = doctor::start_failures(&home, &client.status().await?).await;
            let failures = failures.iter().map(|why| format!("the next start would fail: {why}"));
            reloaded.warnings.extend(failures);
        }
        Ok(reloaded)
    })?;
    if args.json { json(&reloaded) } else { print(&page(&reloaded)) }
}

fn page(reloaded: &Reloaded) -> String {
    let mut out = String::new();
    if !reloaded.applied.is_empty() {
        out.push_str(&paragraph("applied: ", &reloaded.applied.join(", ")));
    }
    if !reloaded.needs_restart.is_empty() {
        out.push_str(&paragraph("after a restart: ", &reloaded.needs_restart.join(", ")));
    }
    for warning in &reloaded.warnings {
        out.push_str(&paragraph("warning: ", &sanitize_line(warning)));
    }
    if out.is_empty() { "no setting has changed\n".into() } else { out }
}

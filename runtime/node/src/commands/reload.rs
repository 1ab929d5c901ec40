//! `pylon reload`: lets the node that runs read its settings again.

use crate::cli::JsonArgs;
use crate::control::{Client, Reloaded};
use crate::home::Home;
use crate::output::{json, plain, say};
use anyhow::Result;

/// Says what holds from now on and what does not yet. A mistake in the file changes nothing.
pub fn run(args: &JsonArgs) -> Result<()> {
    let client = Client::new(&Home::from_env()?);
    let reloaded = super::block_on(async { Ok(client.reload().await?) })?;
    if args.json { json(&reloaded) } else { say(&page(&reloaded)) }
}

fn page(reloaded: &Reloaded) -> String {
    let mut out = String::new();
    if !reloaded.applied.is_empty() {
        out.push_str(&format!("applied: {}\n", reloaded.applied.join(", ")));
    }
    if !reloaded.needs_restart.is_empty() {
        out.push_str(&format!("from the next start on: {}\n", reloaded.needs_restart.join(", ")));
    }
    for warning in &reloaded.warnings {
        out.push_str(&format!("warning: {}\n", plain(warning)));
    }
    if out.is_empty() { "nothing has changed\n".into() } else { out }
}

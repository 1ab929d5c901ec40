//! `pylon restart`: stops the node after its running jobs, then starts it in the background.

use super::{start, stop};
use crate::args::{Mode, RestartArgs, StartArgs};
use crate::output::print;
use anyhow::{Result, bail};
use pylon_control_api::Client;
use pylon_node::config::Source;
use pylon_node::home::Home;
use std::path::PathBuf;

/// Restarts the node as it runs now, except for what the arguments say. Without a node it is a
/// start.
pub(crate) fn run(args: &RestartArgs) -> Result<()> {
    let home = Home::from_env()?;
    let running = super::block_on(async { Ok(Client::new(home.socket()).status().await.ok()) })?;
    let mut node = args.node.clone();
    if let Some(daemon) = running.map(|status| status.daemon) {
        let config = PathBuf::from(daemon.config);
        node.mode = node.mode.or_else(|| Mode::from_names(&daemon.modes));
        node.config = node.config.or_else(|| (config != home.config_file()).then_some(config));
    }
    // A mistake in the settings must not end a running node.
    if let Err(error) = Source::new(&home, node.config.as_deref()).load() {
        bail!("{error:#} (nothing was changed)");
    }
    print(&stop::stop(&home, &args.stop)?)?;
    start::run(&StartArgs { node, foreground: false, detached: false })
}

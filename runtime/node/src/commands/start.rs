//! `pylon start -f`: everything a node needs is checked before anything is reached.

use crate::cli::StartArgs;
use crate::config::Config;
use crate::home::Home;
use crate::identity::Identity;
use crate::log;
use crate::node::{Node, Parts};
use anyhow::{Context, Result};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long work may go on after a request to stop; what is not done then goes on at the next start.
const DRAIN: Duration = Duration::from_secs(20);

/// Runs the node until it is asked to stop.
pub fn run(args: &StartArgs) -> Result<()> {
    log::install(log::NODE)?;
    let home = Home::from_env()?;
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::load_or_default(&home.config_file())?,
    };
    let identity = Identity::load(&home)?;
    let state = home.open()?;
    let _lock = state.lock()?;
    tracing::info!(npub = identity.npub(), home = %home.state_dir().display(), "starting");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads to run on")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let node = Node::start(&home, &state, &config, identity.keys().clone(), Parts::default()).await?;
        tracing::info!(relays = config.relays.len(), "listening for jobs; without a wallet they are free");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new jobs, at most {} s for those at work", DRAIN.as_secs());
        node.stop(DRAIN).await;
        tracing::info!("stopped");
        Ok(())
    })
}

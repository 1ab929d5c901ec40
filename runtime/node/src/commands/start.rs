//! `pylon start -f`: everything a node needs is checked before anything is reached.

use crate::cli::StartArgs;
use crate::config::Config;
use crate::home::Home;
use crate::identity::Identity;
use crate::log;
use anyhow::{Result, bail};

pub(crate) fn run(args: &StartArgs) -> Result<()> {
    log::install()?;
    let home = Home::from_env()?;
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::load_or_default(&home.config_file())?,
    };
    let identity = Identity::load(&home)?;
    let state = home.open()?;
    let _lock = state.lock()?;
    let _guests = state.folder("guests")?;
    tracing::info!(npub = identity.npub(), relays = config.relays.len(), database = %home.database().display(), "ready");
    bail!("this build takes no jobs yet")
}

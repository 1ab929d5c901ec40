//! `pylon demo`: a whole market on this machine.

use crate::cli::DemoArgs;
use crate::demo::{self, Options};
use crate::log;
use anyhow::{Context, Result};

/// Runs the demo to its end.
pub fn run(args: &DemoArgs) -> Result<()> {
    log::install(log::COMMAND)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads to run on")?;
    runtime.block_on(demo::run(Options {
        backend: args.backend.as_ref().map(ToString::to_string),
        json: args.json,
        jobs: args.jobs as usize,
        keep: args.keep.clone(),
    }))
}

//! `pylon demo`: a whole market on this machine.

use crate::args::DemoArgs;
use crate::demo::{self, Options};
use crate::log;
use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Runs the demo to its end.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    log::install(log::COMMAND)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to run on")?;
    let options = Options {
        backend: args.backend.as_ref().map(ToString::to_string),
        json: args.json,
        jobs: args.jobs as usize,
        keep: args.keep.clone(),
    };
    runtime.block_on(async {
        // Dropped on the way out: the temporary home, and the server behind it.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            done = demo::run(options) => done,
            _ = terminate.recv() => bail!("stopped"),
            _ = interrupt.recv() => bail!("stopped"),
        }
    })
}

//! `pylon demo`: runs a whole market on this machine.

use crate::args::DemoArgs;
use crate::demo::{self, Options};
use crate::log;
use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Runs the demo until it ends or is interrupted.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    log::install(log::COMMAND, log::LogFormat::Text)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot create threads")?;
    let options = Options {
        backend: args.backend.as_ref().map(ToString::to_string),
        json: args.json,
        jobs: args.jobs as usize,
        keep: args.keep.clone(),
    };
    runtime.block_on(async {
        // A signal drops the demo, which removes its temporary home and stops its server.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            done = demo::run(options) => done,
            _ = terminate.recv() => bail!("interrupted"),
            _ = interrupt.recv() => bail!("interrupted"),
        }
    })
}

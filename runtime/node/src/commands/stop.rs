//! `pylon stop`: asks the node to end, and waits until it has.

use crate::cli::StopArgs;
use crate::control::{Client, ClientError};
use crate::home::{Home, Runner};
use crate::output::say;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

/// What a node takes to leave, its jobs aside.
const LEAVE_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks whether it has gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until nobody runs on this home.
pub fn run(args: &StopArgs) -> Result<()> {
    let home = Home::from_env()?;
    let Some(runner) = home.runner()? else { return say("Daemon: Not running\n") };
    let asked = super::block_on(async { Ok(Client::new(&home).stop(args.timeout).await) })?;
    match asked {
        Ok(_) => {}
        // It may be on its way already.
        Err(ClientError::NotRunning) if home.runner()?.is_none() => {}
        // A node that does not answer still hears a signal.
        Err(_) => send(runner, Signal::TERM)?,
    }
    if !gone(&home, Duration::from_secs(args.timeout) + LEAVE_WITHIN)? {
        if !args.force {
            bail!("{} has not stopped yet: wait, or end it with `pylon stop --force`", named(runner));
        }
        send(runner, Signal::KILL)?;
        if !gone(&home, LEAVE_WITHIN)? {
            bail!("{} cannot be killed", named(runner));
        }
        return say(&format!("killed {}: what was at work goes on at the next start\n", named(runner)));
    }
    say(&format!("stopped {}\n", named(runner)))
}

/// Whoever holds the lock wrote that number, so it is nobody else's.
fn send(runner: Runner, signal: Signal) -> Result<()> {
    let pid = runner.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let pid = pid.context("the node is just starting: try again")?;
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal {}", named(runner))),
    }
}

fn gone(home: &Home, within: Duration) -> Result<bool> {
    let begun = Instant::now();
    while home.runner()?.is_some() {
        if begun.elapsed() > within {
            return Ok(false);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(true)
}

fn named(runner: Runner) -> String {
    runner.pid.map_or_else(|| "pylon".to_owned(), |pid| format!("pylon (PID {pid})"))
}

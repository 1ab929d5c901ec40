//! `pylon stop`: asks the node to end, and waits until it has.

use crate::args::StopArgs;
use crate::output::say;
use anyhow::{Context, Result, bail};
use pylon_control_api::{Client, ClientError};
use pylon_node::home::{Holder, Home, Runner};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::time::{Duration, Instant};

/// What a node takes to leave, its jobs aside.
const LEAVE_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks whether it has gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until nobody runs on this home.
pub(crate) fn run(args: &StopArgs) -> Result<()> {
    let home = Home::from_env()?;
    let Some(runner) = home.runner()? else { return say("Daemon: Not running\n") };
    if runner.holder == Holder::Command {
        bail!("no node runs: {runner}");
    }
    let asked = super::block_on(async { Ok(Client::new(home.socket()).stop(args.timeout).await) })?;
    match asked {
        Ok(_) => {}
        // It may be on its way already.
        Err(ClientError::NotRunning) if home.runner()?.is_none() => {}
        // A node that does not answer still hears a signal.
        Err(_) => send(&home, runner, Signal::TERM)?,
    }
    if !gone(&home, Duration::from_secs(args.timeout) + LEAVE_WITHIN)? {
        if !args.force {
            bail!(
                "{} has not stopped yet: wait, or end it with `pylon stop --force`",
                named(runner)
            );
        }
        send(&home, runner, Signal::KILL)?;
        if !gone(&home, LEAVE_WITHIN)? {
            bail!("{} cannot be killed", named(runner));
        }
        return say(&format!(
            "killed {}: what was at work goes on at the next start\n",
            named(runner)
        ));
    }
    say(&format!("stopped {}\n", named(runner)))
}

/// Whoever holds the lock wrote that number. If it has gone by now, nobody is signalled.
fn send(home: &Home, runner: Runner, signal: Signal) -> Result<()> {
    let pid = runner.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let pid = pid.context("the node is just starting: try again")?;
    match signal_if(pid, signal, || Ok(home.runner()? == Some(runner)))? {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal {}", named(runner))),
    }
}

/// The process is taken hold of before it is looked at once more: its number may pass to another process, the hold does not.
#[cfg(target_os = "linux")]
fn signal_if(
    pid: Pid,
    signal: Signal,
    still: impl Fn() -> Result<bool>,
) -> Result<Result<(), Errno>> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(error) => return Ok(Err(error)),
    };
    Ok(if still()? { pidfd_send_signal(process, signal) } else { Ok(()) })
}

/// Here a process has nothing but its number.
#[cfg(not(target_os = "linux"))]
fn signal_if(
    pid: Pid,
    signal: Signal,
    still: impl Fn() -> Result<bool>,
) -> Result<Result<(), Errno>> {
    Ok(if still()? { rustix::process::kill_process(pid, signal) } else { Ok(()) })
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    /// Goal: only who still holds the lock is signalled. Method: a process that is asked about again, and then is or is not the one.
    #[test]
    fn nobody_else_is_signalled() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert_eq!(signal_if(pid, Signal::KILL, || Ok(false)).unwrap(), Ok(()));
        assert!(signal_if(pid, Signal::KILL, || bail!("cannot look")).is_err());
        // Still there: it ends in order when its input does.
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        assert_eq!(
            signal_if(pid, Signal::KILL, || Ok(true)).unwrap(),
            Err(Errno::SRCH),
            "nobody has this number"
        );
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(signal_if(Pid::from_child(&child), Signal::KILL, || Ok(true)).unwrap(), Ok(()));
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
    }
}

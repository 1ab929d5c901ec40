//! `pylon stop`: stops the node, and waits until it has ended.

use crate::args::StopArgs;
use crate::output::print;
use anyhow::{Context, Result, bail};
use pylon_control_api::{Client, ClientError};
use pylon_node::home::Home;
use pylon_node::lock::{LockHolder, LockOwner};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};
use std::time::{Duration, Instant};

/// The time that a node needs to stop after its jobs.
const EXIT_TIMEOUT: Duration = Duration::from_secs(15);
/// The interval at which the lock is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Stops the node of this home.
pub(crate) fn run(args: &StopArgs) -> Result<()> {
    print(&stop(&Home::from_env()?, args)?)
}

/// Stops the node of a home, and returns what was done.
pub(super) fn stop(home: &Home, args: &StopArgs) -> Result<String> {
    let Some(owner) = home.lock_owner()? else { return Ok("Daemon: Not running\n".into()) };
    if owner.holder == LockHolder::Command {
        bail!("no node runs: {owner}");
    }
    let response =
        super::block_on(async { Ok(Client::new(home.socket()).stop(args.timeout).await) })?;
    match response {
        Ok(_) => {}
        // It may have stopped meanwhile.
        Err(ClientError::NotRunning) if home.lock_owner()?.is_none() => {}
        // A node that does not respond still receives signals.
        Err(_) => send(home, owner, Signal::TERM)?,
    }
    if !wait_for_exit(home, Duration::from_secs(args.timeout) + EXIT_TIMEOUT)? {
        if !args.force {
            bail!(
                "{} has not stopped yet: wait, or kill it with `pylon stop --force`",
                named(owner)
            );
        }
        send(home, owner, Signal::KILL)?;
        if !wait_for_exit(home, EXIT_TIMEOUT)? {
            bail!("cannot kill {}", named(owner));
        }
        return Ok(format!(
            "killed {}: unfinished jobs continue after the next start\n",
            named(owner)
        ));
    }
    Ok(format!("stopped {}\n", named(owner)))
}

/// Signals the owner of the lock, unless it has ended.
fn send(home: &Home, owner: LockOwner, signal: Signal) -> Result<()> {
    let pid = owner.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let pid = pid.context("the node is starting: try again")?;
    match signal_if(pid, signal, || Ok(home.lock_owner()? == Some(owner)))? {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal {}", named(owner))),
    }
}

/// Signals a process if `is_owner` still holds. The process is opened before the check, because its
/// id may be reused by another process.
#[cfg(target_os = "linux")]
fn signal_if(
    pid: Pid,
    signal: Signal,
    is_owner: impl Fn() -> Result<bool>,
) -> Result<Result<(), Errno>> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(error) => return Ok(Err(error)),
    };
    Ok(if is_owner()? { pidfd_send_signal(process, signal) } else { Ok(()) })
}

/// Signals a process if `is_owner` still holds. This system identifies a process by its id only.
#[cfg(not(target_os = "linux"))]
fn signal_if(
    pid: Pid,
    signal: Signal,
    is_owner: impl Fn() -> Result<bool>,
) -> Result<Result<(), Errno>> {
    Ok(if is_owner()? { rustix::process::kill_process(pid, signal) } else { Ok(()) })
}

/// Whether the lock is released within this time.
fn wait_for_exit(home: &Home, timeout: Duration) -> Result<bool> {
    let started = Instant::now();
    while home.lock_owner()?.is_some() {
        if started.elapsed() > timeout {
            return Ok(false);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(true)
}

fn named(owner: LockOwner) -> String {
    owner.pid.map_or_else(|| "pylon".to_owned(), |pid| format!("pylon (PID {pid})"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    /// Goal: only the owner of the lock is signalled. Method: a process that is or is not the owner
    /// at the second check.
    #[test]
    fn only_the_lock_owner_is_signalled() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert_eq!(signal_if(pid, Signal::KILL, || Ok(false)).unwrap(), Ok(()));
        assert!(signal_if(pid, Signal::KILL, || bail!("cannot check")).is_err());
        // The process still runs: it ends when its stdin is closed.
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        assert_eq!(
            signal_if(pid, Signal::KILL, || Ok(true)).unwrap(),
            Err(Errno::SRCH),
            "no process has this id"
        );
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(signal_if(Pid::from_child(&child), Signal::KILL, || Ok(true)).unwrap(), Ok(()));
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
    }
}

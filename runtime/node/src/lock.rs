//! The lock of a home, which allows one node per home.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

/// A command that checks whether a node runs holds the lock for a moment.
const TRIES_MAX: u32 = 10;
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Follows the process id of a command in the lock file.
const COMMAND: &str = " command";

/// The kind of process that holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockHolder {
    /// A node, which has a control socket and can be stopped.
    Node,
    /// A command, which holds it briefly and is never signalled.
    Command,
}

/// The process that holds the lock of a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockOwner {
    /// The process id; unknown only while the process starts.
    pub pid: Option<u32>,
    /// The kind of process.
    pub holder: LockHolder,
}

impl LockOwner {
    /// The process that holds this lock file, if any. Creates no file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let mut file = match pylon_files::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(Self::parse(&mut file))),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot read the lock {}", path.display()))
            }
        }
    }

    fn parse(file: &mut File) -> Self {
        let mut text = String::new();
        // If the file cannot be read, the process id is unknown.
        let _ = file.take(32).read_to_string(&mut text);
        let (pid, holder) = match text.trim().strip_suffix(COMMAND) {
            Some(pid) => (pid, LockHolder::Command),
            None => (text.trim(), LockHolder::Node),
        };
        Self { pid: pid.parse().ok(), holder }
    }
}

impl fmt::Display for LockOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.pid.map(|pid| format!(" (PID {pid})")).unwrap_or_default();
        match self.holder {
            LockHolder::Node => write!(
                formatter,
                "another pylon{pid} runs on this home: stop it first, or set PYLON_HOME to another \
                 folder"
            ),
            LockHolder::Command => write!(
                formatter,
                "a pylon command{pid} is using this home: wait until it ends, or set PYLON_HOME to \
                 another folder"
            ),
        }
    }
}

/// The lock of a home, released when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks the file and writes this process to it.
    pub(crate) fn acquire(mut file: File, path: &Path, holder: LockHolder) -> Result<Self> {
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < TRIES_MAX => {
                    tries += 1;
                    std::thread::sleep(RETRY_INTERVAL);
                }
                Err(TryLockError::WouldBlock) => bail!("{}", LockOwner::parse(&mut file)),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| {
                        format!(
                            "cannot lock {}: use a file system that supports locks",
                            path.display()
                        )
                    });
                }
            }
        }
        // For messages only. The lock decides, so an old or reused process id has no effect.
        let suffix = if holder == LockHolder::Node { "" } else { COMMAND };
        let written = file.set_len(0).and_then(|()| file.rewind());
        let written = written.and_then(|()| writeln!(file, "{}{suffix}", std::process::id()));
        written.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Home;

    /// Goal: one node per home, decided by the lock and not by the process id in it. Method: lock
    /// twice, then over the content that other processes left.
    #[test]
    fn second_node_on_a_home_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        let state = home.open().unwrap();
        let file = home.state_dir().join("pylon.lock");
        let first = state.lock(LockHolder::Node).unwrap();
        let own = std::process::id();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{own}\n"));
        let error = home.open().unwrap().lock(LockHolder::Node).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "another pylon (PID {own}) runs on this home: stop it first, or set PYLON_HOME to \
                 another folder"
            )
        );
        drop(first);
        for left in ["1\n", "", "not a number", "99999999999999999999999999999999999999"] {
            std::fs::write(&file, left).unwrap();
            let lock = state.lock(LockHolder::Node).unwrap();
            assert_eq!(
                std::fs::read_to_string(&file).unwrap(),
                format!("{own}\n"),
                "over {left:?}"
            );
            std::fs::write(&file, "being written").unwrap();
            let error = state.lock(LockHolder::Node).unwrap_err().to_string();
            assert!(error.starts_with("another pylon runs on this home"), "{error}");
            drop(lock);
        }
        let lock = state.lock(LockHolder::Command).unwrap();
        assert_eq!(
            home.lock_owner().unwrap(),
            Some(LockOwner { pid: Some(own), holder: LockHolder::Command })
        );
        let error = state.lock(LockHolder::Node).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "a pylon command (PID {own}) is using this home: wait until it ends, or set \
                 PYLON_HOME to another folder"
            )
        );
        drop(lock);
    }
}

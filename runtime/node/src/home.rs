//! The paths of a node and the lock that allows one node per home. The formats of the files are
//! defined by the modules that write them. `PYLON_HOME` replaces `~` everywhere.

use anyhow::{Context, Result, anyhow, bail};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use pylon_slots::ComponentStore;
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A command that checks whether a node runs holds the lock for a moment.
const LOCK_TRIES_MAX: u32 = 10;
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(20);

const LOCK: &str = "pylon.lock";
const SOCKET: &str = "pylon.sock";

/// The home folder of a node, with all its paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The home named by `PYLON_HOME`, else by `HOME`.
    pub fn from_env() -> Result<Self> {
        Self::choose(std::env::var_os("PYLON_HOME"), std::env::var_os("HOME"))
    }

    /// A home at this path.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn choose(pylon_home: Option<OsString>, home: Option<OsString>) -> Result<Self> {
        let named = |name, value: Option<OsString>| {
            value.filter(|path| !path.is_empty()).map(|path| (name, PathBuf::from(path)))
        };
        let (name, root) =
            named("PYLON_HOME", pylon_home).or_else(|| named("HOME", home)).ok_or_else(|| {
                anyhow!(
                    "neither HOME nor PYLON_HOME is set: set PYLON_HOME to a folder for this node"
                )
            })?;
        if !root.is_absolute() {
            bail!("{name} is `{}`: set it to an absolute path", root.display());
        }
        Ok(Self::at(root))
    }

    /// The folder for settings and identity, which the operator must back up.
    pub fn config_dir(&self) -> PathBuf {
        self.root.join(".config/pylon")
    }

    /// The folder for everything that the node writes.
    pub fn state_dir(&self) -> PathBuf {
        self.root.join(".openagents/pylon")
    }

    pub fn config_file(&self) -> PathBuf {
        self.config_dir().join("config.toml")
    }

    pub fn identity_file(&self) -> PathBuf {
        self.config_dir().join("identity.mnemonic")
    }

    pub fn database(&self) -> PathBuf {
        self.state_dir().join("pylon.db")
    }

    /// Compiled guests and downloads, which can be recreated.
    pub fn cache_dir(&self) -> PathBuf {
        self.state_dir().join("cache")
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.state_dir().join(SOCKET)
    }

    /// The log of the background process.
    pub fn log_file(&self) -> PathBuf {
        self.logs_dir().join("pylon.log")
    }

    /// The logs of the node and of the servers that it manages.
    pub fn logs_dir(&self) -> PathBuf {
        self.state_dir().join("logs")
    }

    /// Creates the folder for settings, accessible only to this user.
    pub fn create_config_dir(&self) -> Result<PathBuf> {
        let path = self.config_dir();
        create_private(&path)?;
        Ok(path)
    }

    /// Opens the state folder. If it does not exist, it is created, accessible only to this user.
    pub fn open(&self) -> Result<StateDir> {
        let path = self.state_dir();
        create_private(&path)?;
        let dir =
            Dir::open_ambient_dir(&path, ambient_authority()).with_context(|| unusable(&path))?;
        Ok(StateDir { dir, path })
    }

    /// The process that holds the lock of this home, if any. Creates no file, so it works on a read-only
    /// home.
    pub fn lock_owner(&self) -> Result<Option<LockOwner>> {
        let path = self.state_dir().join(LOCK);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_owner(&mut file))),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot read the lock {}", path.display()))
            }
        }
    }
}

/// The kind of process that holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockHolder {
    /// A node, which has a control socket and can be stopped.
    Node,
    /// A command, which ends by itself and is never signalled.
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

/// The open state folder. Files opened through it cannot be outside of it.
#[derive(Debug)]
pub struct StateDir {
    dir: Dir,
    path: PathBuf,
}

impl StateDir {
    /// Opens or creates a folder in it, such as `guests`, `cache` or `logs`.
    pub fn folder(&self, name: &str) -> Result<Dir> {
        let opened = match self.dir.create_dir_with(name, DirBuilder::new().mode(0o700)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            _ => self.dir.open_dir(name),
        };
        opened.with_context(|| unusable(&self.path.join(name)))
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store of guest components.
    pub fn components(&self) -> Result<ComponentStore> {
        let path = self.path.join("guests");
        Ok(ComponentStore::new(self.folder("guests")?, path.display().to_string()))
    }

    /// The path of the control socket.
    pub fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// Locks the home until the lock is dropped or the process ends.
    pub fn lock(&self, holder: LockHolder) -> Result<Lock> {
        let path = self.path.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let mut file =
            self.dir.open_with(LOCK, &options).with_context(|| unusable(&path))?.into_std();
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < LOCK_TRIES_MAX => {
                    tries += 1;
                    std::thread::sleep(LOCK_RETRY_INTERVAL);
                }
                Err(TryLockError::WouldBlock) => bail!("{}", read_owner(&mut file)),
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
        written.with_context(|| unusable(&path))?;
        Ok(Lock { _file: file })
    }
}

/// The lock of a home, released when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Follows the process id of a command in the lock file.
const COMMAND: &str = " command";

/// The owner according to the lock file.
fn read_owner(file: &mut File) -> LockOwner {
    let mut text = String::new();
    // If the file cannot be read, the process id is unknown.
    let _ = file.take(32).read_to_string(&mut text);
    let (pid, holder) = match text.trim().strip_suffix(COMMAND) {
        Some(pid) => (pid, LockHolder::Command),
        None => (text.trim(), LockHolder::Node),
    };
    LockOwner { pid: pid.parse().ok(), holder }
}

fn create_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| unusable(path))
}

fn unusable(path: &Path) -> String {
    format!(
        "cannot use {}: make it writable for this user, or set PYLON_HOME to a folder that is",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// Goal: the home is the configured one, or the error says what to set. Method: both variables in
    /// every state.
    #[test]
    fn home_is_chosen_from_the_environment() {
        let check = |pylon_home: Option<&str>, home: Option<&str>, expected: Result<&str, &str>| {
            let found = Home::choose(pylon_home.map(OsString::from), home.map(OsString::from));
            match (found, expected) {
                (Ok(found), Ok(root)) => assert_eq!(found, Home::at(root)),
                (Err(found), Err(text)) => assert!(found.to_string().contains(text), "{found}"),
                (found, expected) => panic!("{found:?} instead of {expected:?}"),
            }
        };
        check(None, Some("/home/ann"), Ok("/home/ann"));
        check(Some("/srv/pylon"), Some("/home/ann"), Ok("/srv/pylon"));
        check(Some("/srv/pylon"), None, Ok("/srv/pylon"));
        check(Some(""), Some("/home/ann"), Ok("/home/ann"));
        check(None, None, Err("set PYLON_HOME to a folder"));
        check(Some(""), Some(""), Err("set PYLON_HOME to a folder"));
        check(
            Some("pylon"),
            Some("/home/ann"),
            Err("PYLON_HOME is `pylon`: set it to an absolute path"),
        );
        check(None, Some("ann"), Err("HOME is `ann`"));
    }

    /// Goal: other users have no access. Method: open a fresh home and read the modes.
    #[test]
    fn folders_are_private() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        let state = home.open().unwrap();
        state.folder("guests").unwrap();
        state.folder("guests").unwrap();
        home.create_config_dir().unwrap();
        let _lock = state.lock(LockHolder::Node).unwrap();
        assert_eq!(mode(&home.state_dir()), 0o700);
        assert_eq!(mode(&home.state_dir().join("guests")), 0o700);
        assert_eq!(mode(&home.config_dir()), 0o700);
        assert_eq!(mode(&home.state_dir().join("pylon.lock")), 0o600);
    }

    /// Goal: an unusable home is reported in one line. Method: a file in place of each folder.
    #[test]
    fn home_that_is_not_a_folder_is_reported() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        std::fs::write(root.path().join(".openagents"), "").unwrap();
        std::fs::write(root.path().join(".config"), "").unwrap();
        for error in [home.open().unwrap_err(), home.create_config_dir().unwrap_err()] {
            assert!(
                error.to_string().contains("make it writable for this user, or set PYLON_HOME"),
                "{error}"
            );
        }
    }

    /// Goal: no path in the state folder leaves it. Method: a symbolic link in place of `guests`.
    #[test]
    fn symbolic_link_does_not_leave_the_state_folder() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let home = Home::at(root.path());
        let state = home.open().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), home.state_dir().join("guests")).unwrap();
        assert!(state.folder("guests").is_err());
    }

    /// Goal: one node per home, decided by the lock and not by the process id in it. Method: lock twice,
    /// then over the content that other processes left.
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

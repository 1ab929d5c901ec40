//! The paths of a node. The formats of the files are defined by the modules that write them.
//! `PYLON_HOME` replaces `~` everywhere.

use crate::lock::{Lock, LockHolder, LockOwner};
use anyhow::{Context, Result, anyhow, bail};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};
use pylon_journal::ReadOnlyJournal;
use pylon_slots::{ComponentStore, SlotHistory};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const LOCK: &str = "pylon.lock";
const SOCKET: &str = "pylon.sock";
/// The log of the background process, in the folder `logs`.
pub const LOG_FILE: &str = "pylon.log";

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

    /// The folder that replaces `~`.
    pub fn root(&self) -> &Path {
        &self.root
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
        self.logs_dir().join(LOG_FILE)
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

    /// The database for reading; `None` if there is none yet. Creates no file.
    pub fn journal(&self) -> Result<Option<ReadOnlyJournal>> {
        let database = self.database();
        Ok(database.exists().then(|| ReadOnlyJournal::open(&database)).transpose()?)
    }

    /// The history of the guest slots, read from the database; empty without one.
    pub fn slot_history(&self) -> Result<SlotHistory> {
        let Some(journal) = self.journal()? else { return Ok(SlotHistory::default()) };
        Ok(SlotHistory {
            installations: journal.installations()?,
            pending: journal.pending_guests()?,
        })
    }

    /// Opens the state folder. If it does not exist, it is created, accessible only to this user.
    pub fn open(&self) -> Result<StateDir> {
        let path = self.state_dir();
        create_private(&path)?;
        let dir =
            Dir::open_ambient_dir(&path, ambient_authority()).with_context(|| unusable(&path))?;
        Ok(StateDir { dir, path })
    }

    /// The process that holds the lock of this home, if any. Creates no file, so it works on a
    /// read-only home.
    pub fn lock_owner(&self) -> Result<Option<LockOwner>> {
        LockOwner::read(&self.state_dir().join(LOCK))
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
        let file = pylon_files::create_in(&self.dir, LOCK).with_context(|| unusable(&path))?;
        Lock::acquire(file, &path, holder)
    }
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

    /// Goal: the home is the configured one, or the error says what to set. Method: both variables
    /// in every state.
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
}

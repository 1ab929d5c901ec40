//! Where the node keeps its things, and that only one node uses them at a time.
//!
//! Only paths and the lock live here; who writes a file knows its format. `PYLON_HOME` stands in for `~` everywhere.

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

/// A lock may be held for a moment by a command that looks whether a node runs.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

const LOCK: &str = "pylon.lock";
const SOCKET: &str = "pylon.sock";

/// All paths of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// From `PYLON_HOME`, else from `HOME`.
    pub fn from_env() -> Result<Self> {
        Self::choose(std::env::var_os("PYLON_HOME"), std::env::var_os("HOME"))
    }

    /// Below this folder, wherever it is.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn choose(pylon_home: Option<OsString>, home: Option<OsString>) -> Result<Self> {
        let named = |name, value: Option<OsString>| {
            value.filter(|path| !path.is_empty()).map(|path| (name, PathBuf::from(path)))
        };
        let (name, root) = named("PYLON_HOME", pylon_home)
            .or_else(|| named("HOME", home))
            .ok_or_else(|| anyhow!("no home: neither HOME nor PYLON_HOME is set; set PYLON_HOME to a folder for this node"))?;
        if !root.is_absolute() {
            bail!("{name} is `{}`: set it to a path that begins with /", root.display());
        }
        Ok(Self::at(root))
    }

    /// Configuration and identity: what an operator writes and must not lose.
    pub fn config_dir(&self) -> PathBuf {
        self.root.join(".config/pylon")
    }

    /// Everything the node writes.
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

    /// What can be fetched again.
    pub fn cache_dir(&self) -> PathBuf {
        self.state_dir().join("cache")
    }

    /// Where commands reach the node.
    pub fn socket(&self) -> PathBuf {
        self.state_dir().join(SOCKET)
    }

    /// What a node in the background writes.
    pub fn log_file(&self) -> PathBuf {
        self.logs_dir().join("pylon.log")
    }

    /// What the node and the servers that it manages have to say.
    pub fn logs_dir(&self) -> PathBuf {
        self.state_dir().join("logs")
    }

    /// The folder for configuration, created for nobody else's eyes if it is not there.
    pub fn create_config_dir(&self) -> Result<PathBuf> {
        let path = self.config_dir();
        create_private(&path)?;
        Ok(path)
    }

    /// Opens the state folder, created for nobody else's eyes if it is not there.
    pub fn open(&self) -> Result<State> {
        let path = self.state_dir();
        create_private(&path)?;
        let dir =
            Dir::open_ambient_dir(&path, ambient_authority()).with_context(|| unusable(&path))?;
        Ok(State { dir, path })
    }

    /// Who runs on this home, if anybody does. Nothing is made, so a home that can only be read will do.
    pub fn runner(&self) -> Result<Option<Runner>> {
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
            Err(TryLockError::WouldBlock) => Ok(Some(noted(&mut file))),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot read the lock {}", path.display()))
            }
        }
    }
}

/// What somebody does who has a home alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Runs as its node, which can be asked and stopped.
    Node,
    /// Does one thing and leaves: nobody else's to end.
    Command,
}

/// Who has a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runner {
    /// Its process; unknown only for the moment in which it starts.
    pub pid: Option<u32>,
    /// What it does.
    pub holder: Holder,
}

impl fmt::Display for Runner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.pid.map(|pid| format!(" (PID {pid})")).unwrap_or_default();
        match self.holder {
            Holder::Node => write!(
                formatter,
                "another pylon{pid} runs on this home: stop it first, or set PYLON_HOME"
            ),
            Holder::Command => write!(
                formatter,
                "a command of pylon{pid} works on this home: wait for it, or set PYLON_HOME"
            ),
        }
    }
}

/// The open state folder. What is opened through it cannot lie outside it.
#[derive(Debug)]
pub struct State {
    dir: Dir,
    path: PathBuf,
}

impl State {
    /// A folder below, such as `guests`, `cache` or `logs`.
    pub fn folder(&self, name: &str) -> Result<Dir> {
        let opened = match self.dir.create_dir_with(name, DirBuilder::new().mode(0o700)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
            _ => self.dir.open_dir(name),
        };
        opened.with_context(|| unusable(&self.path.join(name)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The installed components of guests.
    pub fn components(&self) -> Result<ComponentStore> {
        let place = self.path.join("guests");
        Ok(ComponentStore::new(self.folder("guests")?, place.display().to_string()))
    }

    /// Where the node's socket is.
    pub fn socket(&self) -> PathBuf {
        self.path.join(SOCKET)
    }

    /// Makes this the only one on this home until the lock is dropped or the process ends, however it ends.
    pub fn lock(&self, holder: Holder) -> Result<Lock> {
        let path = self.path.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let mut file =
            self.dir.open_with(LOCK, &options).with_context(|| unusable(&path))?.into_std();
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                    tries += 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(TryLockError::WouldBlock) => bail!("{}", noted(&mut file)),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| {
                        format!("cannot lock {}: use a file system with locks", path.display())
                    });
                }
            }
        }
        // Only for people: the lock decides, so a number left behind by a dead node, or reused by another program, means nothing.
        let what = if holder == Holder::Node { "" } else { COMMAND };
        let noted = file.set_len(0).and_then(|()| file.rewind());
        let noted = noted.and_then(|()| writeln!(file, "{}{what}", std::process::id()));
        noted.with_context(|| unusable(&path))?;
        Ok(Lock { _file: file })
    }
}

/// Held as long as the node lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Behind the number of a process that is no node.
const COMMAND: &str = " command";

/// Who has the lock, as far as its file tells.
fn noted(file: &mut File) -> Runner {
    let mut note = String::new();
    // What cannot be read tells nothing.
    let _ = file.take(32).read_to_string(&mut note);
    let (pid, holder) = match note.trim().strip_suffix(COMMAND) {
        Some(pid) => (pid, Holder::Command),
        None => (note.trim(), Holder::Node),
    };
    Runner { pid: pid.parse().ok(), holder }
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

    /// Goal: the home is the one named, or the line says what to set. Method: the two variables in every state.
    #[test]
    fn which_home() {
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
            Err("PYLON_HOME is `pylon`: set it to a path that begins with /"),
        );
        check(None, Some("ann"), Err("HOME is `ann`"));
    }

    /// Goal: nobody else on the machine can look. Method: open a fresh home and read the modes.
    #[test]
    fn folders_are_private() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        let state = home.open().unwrap();
        state.folder("guests").unwrap();
        state.folder("guests").unwrap();
        home.create_config_dir().unwrap();
        let _lock = state.lock(Holder::Node).unwrap();
        assert_eq!(mode(&home.state_dir()), 0o700);
        assert_eq!(mode(&home.state_dir().join("guests")), 0o700);
        assert_eq!(mode(&home.config_dir()), 0o700);
        assert_eq!(mode(&home.state_dir().join("pylon.lock")), 0o600);
    }

    /// Goal: a home that cannot be used says so in one line. Method: a file where a folder must be, at each place.
    #[test]
    fn a_home_that_is_not_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        std::fs::write(root.path().join(".openagents"), "").unwrap();
        std::fs::write(root.path().join(".config"), "").unwrap();
        for told in [home.open().unwrap_err(), home.create_config_dir().unwrap_err()] {
            assert!(
                told.to_string().contains("make it writable for this user, or set PYLON_HOME"),
                "{told}"
            );
        }
    }

    /// Goal: nothing below the state folder leads out of it. Method: a link to elsewhere in place of `guests`.
    #[test]
    fn a_link_does_not_lead_out() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let home = Home::at(root.path());
        let state = home.open().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), home.state_dir().join("guests")).unwrap();
        assert!(state.folder("guests").is_err());
    }

    /// Goal: one node a home, decided by the lock and not by the number in it. Method: lock twice, then again over what others left.
    #[test]
    fn one_node_a_home() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::at(root.path());
        let state = home.open().unwrap();
        let file = home.state_dir().join("pylon.lock");
        let first = state.lock(Holder::Node).unwrap();
        let own = std::process::id();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{own}\n"));
        let told = home.open().unwrap().lock(Holder::Node).unwrap_err().to_string();
        assert_eq!(
            told,
            format!(
                "another pylon (PID {own}) runs on this home: stop it first, or set PYLON_HOME"
            )
        );
        drop(first);
        for left in ["1\n", "", "no number", "99999999999999999999999999999999999999"] {
            std::fs::write(&file, left).unwrap();
            let lock = state.lock(Holder::Node).unwrap();
            assert_eq!(
                std::fs::read_to_string(&file).unwrap(),
                format!("{own}\n"),
                "over {left:?}"
            );
            std::fs::write(&file, "being written").unwrap();
            let told = state.lock(Holder::Node).unwrap_err().to_string();
            assert!(told.starts_with("another pylon runs on this home"), "{told}");
            drop(lock);
        }
        let lock = state.lock(Holder::Command).unwrap();
        assert_eq!(
            home.runner().unwrap(),
            Some(Runner { pid: Some(own), holder: Holder::Command })
        );
        let told = state.lock(Holder::Node).unwrap_err().to_string();
        assert_eq!(
            told,
            format!(
                "a command of pylon (PID {own}) works on this home: wait for it, or set PYLON_HOME"
            )
        );
        drop(lock);
    }
}

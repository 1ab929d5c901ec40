//! What a command about old decisions works with: the books, the guests of before, and the key that decisions are sealed with.

use crate::commands::compile_component::apart;
use crate::guests::{Past, Shelf};
use crate::home::Home;
use crate::identity::Identity;
use anyhow::{Context, Result};
use pylon_adapters::journal::{Books, Safe};
use pylon_adapters::market::identity::purpose_key;
use pylon_sandbox::{Config, Sandbox};
use std::io::{IsTerminal, Write};

/// Calls at one moment: more are never made.
const INSTANCES: u32 = 4;

/// All of it, open.
pub(super) struct Records {
    pub(super) books: Books,
    pub(super) past: Past,
    /// `None` without an identity: then no seal can be looked at.
    pub(super) safe: Option<Safe>,
}

impl Records {
    /// Of this home, whether a node runs or not.
    pub(super) fn open() -> Result<Self> {
        let home = Home::from_env()?;
        let books = Books::open(&home.database())?;
        let state = home.open()?;
        let config = Config {
            cache: Some(state.folder("cache")?),
            compiling: apart()?,
            policy_instances: INSTANCES,
            handler_instances: INSTANCES,
            ..Config::default()
        };
        let sandbox = Sandbox::open(config).context("guests cannot be run here")?;
        let past = Past::new(sandbox, Shelf::new(state.folder("guests")?), books.installations()?);
        let safe = home.identity_file().exists().then(|| Identity::load(&home)).transpose()?;
        let safe = safe.map(|identity| Safe::new(&purpose_key(identity.keys(), "journal")));
        Ok(Self { books, past, safe })
    }
}

/// How far long work is, on a terminal; nothing on a pipe.
pub(super) struct Progress {
    shown: bool,
    what: &'static str,
    of: u64,
}

impl Progress {
    pub(super) fn new(what: &'static str, of: u64) -> Self {
        Self { shown: std::io::stderr().is_terminal(), what, of }
    }

    /// So many are done.
    pub(super) fn at(&self, done: u64) {
        if self.shown {
            // Nobody reads it: the work goes on.
            let _ = write!(std::io::stderr(), "\r{done} of about {} {}", self.of.max(done), self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

//! What a command about old decisions works with: the books, the guests of before, and the key that decisions are sealed with.

use crate::commands::compile_component::apart;
use anyhow::{Context, Result};
use pylon_journal::{ReadOnlyJournal, TextCipher};
use pylon_node::home::Home;
use pylon_node::identity::Identity;
use pylon_nostr::identity::purpose_key;
use pylon_sandbox::{Config, Sandbox};
use pylon_slots::HistoricalGuests;

/// Calls at one moment: more are never made.
const INSTANCES: u32 = 4;

/// All of it, open.
pub(super) struct Records {
    pub(super) books: ReadOnlyJournal,
    pub(super) past: HistoricalGuests,
    /// `None` without an identity: then no seal can be looked at.
    pub(super) safe: Option<TextCipher>,
}

impl Records {
    /// Of this home, whether a node runs or not.
    pub(super) fn open() -> Result<Self> {
        let home = Home::from_env()?;
        let books = ReadOnlyJournal::open(&home.database())?;
        let state = home.open()?;
        let config = Config {
            cache: Some(state.folder("cache")?),
            compilation: apart()?,
            policy_instances: INSTANCES,
            handler_instances: INSTANCES,
            ..Config::default()
        };
        let sandbox = Sandbox::open(config).context("guests cannot be run here")?;
        let past = HistoricalGuests::new(sandbox, state.components()?, books.installations()?);
        let safe = home.identity_file().exists().then(|| Identity::load(&home)).transpose()?;
        let safe = safe.map(|identity| TextCipher::new(&purpose_key(identity.keys(), "journal")));
        Ok(Self { books, past, safe })
    }
}

//! What commands about recorded decisions need: the journal, the historical guests, and the key for
//! the MACs of the decisions.

use crate::subprocess_compiler::subprocess_compiler;
use anyhow::{Context, Result};
use pylon_journal::{ReadOnlyJournal, TextCipher};
use pylon_node::home::Home;
use pylon_node::identity::Identity;
use pylon_nostr::identity::purpose_key;
use pylon_sandbox::{Config, Sandbox};
use pylon_slots::HistoricalGuests;

/// Concurrent calls.
const INSTANCES: u32 = 4;

/// The open records of this home.
pub(super) struct Records {
    pub(super) journal: ReadOnlyJournal,
    pub(super) past: HistoricalGuests,
    /// `None` without an identity: then no MAC can be checked.
    pub(super) cipher: Option<TextCipher>,
}

impl Records {
    /// Opens the records. A node may run meanwhile.
    pub(super) fn open() -> Result<Self> {
        let home = Home::from_env()?;
        let journal = ReadOnlyJournal::open(&home.database())?;
        let state = home.open()?;
        let config = Config {
            cache: Some(state.folder("cache")?),
            compilation: subprocess_compiler()?,
            policy_instances: INSTANCES,
            handler_instances: INSTANCES,
            ..Config::default()
        };
        let sandbox = Sandbox::open(config).context("cannot run guests on this machine")?;
        let past = HistoricalGuests::new(sandbox, state.components()?, journal.installations()?);
        let identity = home.identity_file().exists().then(|| Identity::load(&home)).transpose()?;
        let cipher =
            identity.map(|identity| TextCipher::new(&purpose_key(identity.keys(), "journal")));
        Ok(Self { journal, past, cipher })
    }
}

//! A change of a slot: by the node that runs, or, without one, in its journal, for the next start.

use crate::clock::SystemClock;
use crate::commands::block_on;
use crate::commands::compile_component::apart;
use crate::config::Source;
use crate::control::{Client, ClientError};
use crate::guests::deed::{Deed, REMOVED, Seated};
use crate::guests::{self, Ledger, Shelf, Workshop};
use crate::home::{Holder, Home};
use crate::identity::Identity;
use crate::output::{json, plain, say};
use anyhow::{Result, anyhow};
use pylon_adapters::journal::SqliteJournal;
use pylon_adapters::market::identity::npub_of;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::installations::Installations;

/// Does it and says who is there then.
pub(super) fn carry_out(deed: &Deed, as_json: bool) -> Result<()> {
    let home = Home::from_env()?;
    let (seated, live) = block_on(async {
        match Client::new(&home).change(deed).await {
            Ok(seated) => Ok((seated, true)),
            Err(ClientError::NotRunning) => Ok((without_node(&home, deed).await?, false)),
            Err(error) => Err(error.into()),
        }
    })?;
    if as_json { json(&seated) } else { say(&page(&seated, live)) }
}

async fn without_node(home: &Home, deed: &Deed) -> Result<Seated> {
    // A home that nobody has made is a mistyped one.
    Identity::load(home)?;
    let state = home.open()?;
    let _lock = state.lock(Holder::Command)?;
    let config = Source::new(home, None).load()?;
    let sandbox = guests::sandbox(state.folder("cache")?, apart()?, &config.lockdown)?;
    let journal = SqliteJournal::open(&home.database())?;
    let ledger = Ledger { history: journal.installations()?, standbys: journal.standbys()? };
    let workshop = Workshop::offline(sandbox, Shelf::of(&state)?, ledger, &config);
    let done = workshop.carry_out(deed, &journal, SystemClock.now()).await;
    done.map_err(|stop| anyhow!("{}: {}", stop.code, stop.why))
}

fn page(seated: &Seated, live: bool) -> String {
    let Seated { slot, name, version, digest, .. } = seated;
    let mut out = match (seated.standing.as_str(), seated.generation) {
        (REMOVED, Some(number)) => {
            format!("{slot}: {name} {version} is removed, and nobody came, generation {number}")
        }
        ("serving", Some(number)) => format!("{slot}: {name} {version}, generation {number}"),
        _ => format!("{slot}: {name} {version} beside the guest that serves"),
    };
    out.push_str(if live { "\n" } else { ", from the next start on\n" });
    out.push_str(&format!("  sha256    {digest}\n"));
    if let Some(publisher) = seated.publisher {
        out.push_str(&format!("  publisher {}\n", npub_of(publisher)));
    }
    for (name, value) in &seated.settings {
        out.push_str(&format!("  setting   {} = {}\n", plain(name), plain(value)));
    }
    if !seated.grants.is_empty() {
        out.push_str(&format!("  granted   {}\n", plain(&seated.grants.join(", "))));
    }
    out
}

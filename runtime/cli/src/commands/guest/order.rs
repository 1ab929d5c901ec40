//! A change of a slot: by the node that runs, or, without one, in its journal, for the next start.

use crate::commands::block_on;
use crate::commands::compile_component::apart;
use crate::output::{json, say};
use anyhow::{Result, anyhow};
use pylon_control_api::{Client, ClientError};
use pylon_core::ports::clock::Clock;
use pylon_core::ports::installations::Installations;
use pylon_core::slots::{REMOVED, SlotChange, SlotStatus};
use pylon_core::text::sanitize_line;
use pylon_egress::policy::EgressPolicy;
use pylon_journal::SqliteJournal;
use pylon_node::clock::SystemClock;
use pylon_node::config::Source;
use pylon_node::home::{Holder, Home};
use pylon_node::identity::Identity;
use pylon_nostr::identity::npub_of;
use pylon_slots::{Ledger, Workshop};

/// Does it and says who is there then.
pub(super) fn carry_out(deed: &SlotChange, as_json: bool) -> Result<()> {
    let home = Home::from_env()?;
    let (seated, live) = block_on(async {
        match Client::new(home.socket()).change(deed).await {
            Ok(seated) => Ok((seated, true)),
            Err(ClientError::NotRunning) => Ok((without_node(&home, deed).await?, false)),
            Err(error) => Err(error.into()),
        }
    })?;
    if as_json { json(&seated) } else { say(&page(&seated, live)) }
}

async fn without_node(home: &Home, deed: &SlotChange) -> Result<SlotStatus> {
    // A home that nobody has made is a mistyped one.
    Identity::load(home)?;
    let state = home.open()?;
    let _lock = state.lock(Holder::Command)?;
    let config = Source::new(home, None).load()?;
    let sandbox = pylon_slots::sandbox(state.folder("cache")?, apart()?, &config.slots.lockdown)?;
    let journal = SqliteJournal::open(&home.database())?;
    let ledger = Ledger { history: journal.installations()?, standbys: journal.pending_guests()? };
    let workshop = Workshop::offline(
        sandbox,
        state.components()?,
        ledger,
        &config.slots,
        EgressPolicy::new(&config.network.allow),
    );
    let done = workshop.carry_out(deed, &journal, SystemClock.now()).await;
    done.map_err(|stop| anyhow!("{}: {}", stop.code, stop.why))
}

fn page(seated: &SlotStatus, live: bool) -> String {
    let SlotStatus { slot, name, version, digest, .. } = seated;
    let mut out = match (seated.standing.as_str(), seated.revision) {
        (REMOVED, Some(number)) => {
            format!("{slot}: {name} {version} is removed, and nobody came, revision {number}")
        }
        ("serving", Some(number)) => format!("{slot}: {name} {version}, revision {number}"),
        _ => format!("{slot}: {name} {version} beside the guest that serves"),
    };
    out.push_str(if live { "\n" } else { ", from the next start on\n" });
    out.push_str(&format!("  sha256    {digest}\n"));
    if let Some(publisher) = seated.publisher {
        out.push_str(&format!("  publisher {}\n", npub_of(publisher)));
    }
    for (name, value) in &seated.settings {
        out.push_str(&format!("  setting   {} = {}\n", sanitize_line(name), sanitize_line(value)));
    }
    if !seated.grants.is_empty() {
        out.push_str(&format!("  granted   {}\n", sanitize_line(&seated.grants.join(", "))));
    }
    out
}

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
use pylon_slots::{SlotHistory, SlotManager};

/// Does it and says who is there then.
pub(super) fn apply(change: &SlotChange, as_json: bool) -> Result<()> {
    let home = Home::from_env()?;
    let (status, live) = block_on(async {
        match Client::new(home.socket()).change(change).await {
            Ok(status) => Ok((status, true)),
            Err(ClientError::NotRunning) => Ok((without_node(&home, change).await?, false)),
            Err(error) => Err(error.into()),
        }
    })?;
    if as_json { json(&status) } else { say(&page(&status, live)) }
}

async fn without_node(home: &Home, change: &SlotChange) -> Result<SlotStatus> {
    // A home that nobody has made is a mistyped one.
    Identity::load(home)?;
    let state = home.open()?;
    let _lock = state.lock(Holder::Command)?;
    let config = Source::new(home, None).load()?;
    let sandbox = pylon_slots::sandbox(state.folder("cache")?, apart()?, &config.slots.lockdown)?;
    let journal = SqliteJournal::open(&home.database())?;
    let history =
        SlotHistory { installations: journal.installations()?, pending: journal.pending_guests()? };
    let manager = SlotManager::offline(
        sandbox,
        state.components()?,
        history,
        &config.slots,
        EgressPolicy::new(&config.network.allow),
    );
    let done = manager.apply(change, &journal, SystemClock.now()).await;
    done.map_err(|failure| anyhow!("{}: {}", failure.code, failure.message))
}

fn page(status: &SlotStatus, live: bool) -> String {
    let SlotStatus { slot, name, version, digest, .. } = status;
    let mut out = match (status.role.as_str(), status.revision) {
        (REMOVED, Some(number)) => {
            format!("{slot}: {name} {version} is removed, and nobody came, revision {number}")
        }
        ("serving", Some(number)) => format!("{slot}: {name} {version}, revision {number}"),
        _ => format!("{slot}: {name} {version} beside the guest that serves"),
    };
    out.push_str(if live { "\n" } else { ", from the next start on\n" });
    out.push_str(&format!("  sha256    {digest}\n"));
    if let Some(publisher) = status.publisher {
        out.push_str(&format!("  publisher {}\n", npub_of(publisher)));
    }
    for (name, value) in &status.settings {
        out.push_str(&format!("  setting   {} = {}\n", sanitize_line(name), sanitize_line(value)));
    }
    if !status.grants.is_empty() {
        out.push_str(&format!("  granted   {}\n", sanitize_line(&status.grants.join(", "))));
    }
    out
}

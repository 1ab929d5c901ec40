//! Applies a change of a slot: through the running node, or without one in the journal, for the
//! next start.

use crate::commands::block_on;
use crate::output::{json, print};
use crate::subprocess_compiler::subprocess_compiler;
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
use pylon_node::home::Home;
use pylon_node::identity::Identity;
use pylon_node::lock::LockHolder;
use pylon_nostr::identity::npub_of;
use pylon_slots::{SlotHistory, SlotManager};

/// Applies the change and prints the affected guest.
pub(super) fn apply(change: &SlotChange, as_json: bool) -> Result<()> {
    let home = Home::from_env()?;
    let (slot, is_live) = block_on(async {
        match Client::new(home.socket()).change(change).await {
            Ok(slot) => Ok((slot, true)),
            Err(ClientError::NotRunning) => Ok((without_node(&home, change).await?, false)),
            Err(error) => Err(error.into()),
        }
    })?;
    if as_json {
        return json(&slot);
    }
    let mut page = page(&slot, is_live);
    if let (SlotChange::Rollback { .. }, Some(revision)) = (change, slot.revision) {
        let (slot, before) = (&slot.slot, revision.saturating_sub(1));
        page.push_str(&format!("  undo with `pylon guest rollback {slot} --to {before}`\n"));
    }
    print(&page)
}

async fn without_node(home: &Home, change: &SlotChange) -> Result<SlotStatus> {
    // A home without an identity is probably a wrong PYLON_HOME.
    Identity::load(home)?;
    let state = home.open()?;
    let _lock = state.lock(LockHolder::Command)?;
    let config = Source::new(home, None).load()?;
    let sandbox = pylon_slots::sandbox(
        state.folder("cache")?,
        subprocess_compiler()?,
        &config.slots.lockdown,
    )?;
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

fn page(status: &SlotStatus, is_live: bool) -> String {
    let SlotStatus { slot, name, version, digest, .. } = status;
    let mut out = match (status.role.as_str(), status.revision) {
        (REMOVED, Some(number)) => {
            format!("{slot}: {name} {version} removed; the slot is now empty, revision {number}")
        }
        ("serving", Some(number)) => format!("{slot}: {name} {version}, revision {number}"),
        _ => format!("{slot}: {name} {version} as a shadow"),
    };
    out.push_str(if is_live { "\n" } else { ", effective at the next start\n" });
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

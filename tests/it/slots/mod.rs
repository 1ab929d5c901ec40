//! Slots of a running node: installing and removing guests, and the jobs meanwhile.

mod auto_rollback;
mod commands;
mod concurrent_changes;
mod drain;
mod handlers;
mod install_steps;
mod kill;
mod lockdown;
mod pinned;
mod precompiled;
mod reload;
mod review;
mod shadow;
mod slow_download;

use crate::component;
use pylon_core::slots::GuestConfig;
use pylon_core::slots::{SlotChange, SlotStatus};
use pylon_tests::market::{TEST_TIMEOUT, TestMarket};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Writes a component to a file.
fn file(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}.wasm"));
    std::fs::write(&path, component(name)).unwrap();
    path
}

/// A table `[guests.SLOT]` of the settings.
fn guest(source: impl AsRef<Path>, settings: &[(&str, &str)]) -> GuestConfig {
    let settings: BTreeMap<_, _> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    GuestConfig {
        source: source.as_ref().to_str().unwrap().to_owned(),
        settings,
        ..GuestConfig::default()
    }
}

fn install(slot: &str, guest: GuestConfig) -> SlotChange {
    SlotChange::Install { slot: slot.into(), guest, shadow: false }
}

/// The serving guest of a slot.
async fn serving(market: &TestMarket, slot: &str) -> SlotStatus {
    let guests = market.node().status().guests().await;
    guests.into_iter().find(|one| one.slot == slot && one.role == "serving").unwrap()
}

/// Waits until the slots meet the condition.
async fn until(market: &TestMarket, what: &str, wanted: impl AsyncFn() -> bool) {
    let mut seen = market.bus.listen();
    let found = tokio::time::timeout(TEST_TIMEOUT, async {
        while !wanted().await {
            // Most changes are followed by an event; poll for the others.
            let _ = tokio::time::timeout(Duration::from_millis(20), seen.recv()).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// The newest audit rows: action, slot and outcome.
fn audit(market: &TestMarket, limit: usize) -> Vec<String> {
    let journal = pylon_journal::ReadOnlyJournal::open(
        &market.folder.path().join(".openagents/pylon/pylon.db"),
    )
    .unwrap();
    let rows = journal.audit(limit).unwrap();
    rows.into_iter().map(|row| format!("{} {} {}", row.action, row.slot, row.outcome)).collect()
}

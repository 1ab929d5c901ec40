//! Slots of a node that runs: what an operator puts there, takes out again, and what becomes of the jobs meanwhile.

mod commands;
mod drain;
mod handlers;
mod images;
mod kill;
mod lockdown;
mod pinned;
mod promptness;
mod reload;
mod review;
mod shadow;
mod steps;
mod traps;
mod turns;

use crate::component;
use pylon_core::slots::GuestConfig;
use pylon_core::slots::{SlotChange, SlotStatus};
use pylon_tests::stage::{PATIENCE, Stage};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A component as a file.
fn file(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}.wasm"));
    std::fs::write(&path, component(name)).unwrap();
    path
}

/// As a table of the settings says it.
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

/// Who serves in a slot.
async fn serving(stage: &Stage, slot: &str) -> SlotStatus {
    let guests = stage.node().facts().guests().await;
    guests.into_iter().find(|one| one.slot == slot && one.standing == "serving").unwrap()
}

/// Waits until the slots are as wanted.
async fn until(stage: &Stage, what: &str, wanted: impl AsyncFn() -> bool) {
    let mut seen = stage.bus.listen();
    let found = tokio::time::timeout(PATIENCE, async {
        while !wanted().await {
            // Whatever changes is seen soon after something else is: look again at each, and now and then.
            let _ = tokio::time::timeout(Duration::from_millis(20), seen.recv()).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// The newest rows of who did what: action, slot and outcome.
fn audit(stage: &Stage, limit: usize) -> Vec<String> {
    let books = pylon_journal::ReadOnlyJournal::open(
        &stage.folder.path().join(".openagents/pylon/pylon.db"),
    )
    .unwrap();
    let rows = books.audit(limit).unwrap();
    rows.into_iter().map(|row| format!("{} {} {}", row.action, row.slot, row.outcome)).collect()
}

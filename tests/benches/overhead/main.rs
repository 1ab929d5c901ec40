//! `tests/bench overhead`: the node against the minimum work of a job. Ratios within one run,
//! medians of interleaved rounds.
//!
//! The node is the real program in a process of its own; relay, customer and stub backend are in
//! this one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed measurement ends the benchmark"
)]

mod bare;
mod node;
mod policy;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use pylon_core::UnixTime;
use pylon_core::slots::Lockdown;
use pylon_egress::policy::EgressPolicy;
use pylon_sandbox::Compilation;
use pylon_slots::{ComponentStore, Config, SlotHistory, Slots, sandbox};
use pylon_tests::figures::report;
use std::path::Path;

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut figures = policy::measure().await;
    figures.extend(node::measure().await);
    report("overhead", &figures);
}

/// The guests of a first start.
async fn shipped(home: &Path) -> Slots {
    let folder = |name: &str| {
        std::fs::create_dir(home.join(name)).unwrap();
        Dir::open_ambient_dir(home.join(name), ambient_authority()).unwrap()
    };
    let (sandbox, store) = (
        sandbox(folder("cache"), Compilation::InProcess, &Lockdown::default()).unwrap(),
        ComponentStore::new(folder("guests"), "guests"),
    );
    let (config, egress) = (Config::default(), EgressPolicy::default());
    Slots::open(sandbox, store, SlotHistory::default(), &config, egress, None, UnixTime::new(0))
        .await
        .unwrap()
        .0
}

//! `tests/bench overhead`: what the node adds to the work it cannot avoid. Ratios within one run, medians of interleaved rounds.
//!
//! The node is the real program in a process of its own; relay, customer and stub backend are in this one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on has nothing to say"
)]

mod bare;
mod node;
mod policy;

use pylon_tests::figures::report;

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut figures = policy::measure().await;
    figures.extend(node::measure().await);
    report("overhead", &figures);
}

//! `tests/bench guests`: the cost of isolation, and the effect of guests on each other. Ratios
//! within one run, medians of interleaved rounds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed measurement ends the benchmark"
)]

mod calls;
mod fuel;
mod host;
mod loading;
mod memory;
mod neighbours;
mod questions;
mod swaps;
mod threads;

use pylon_tests::figures::report;

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

fn component(name: &str) -> &'static [u8] {
    GUESTS.iter().find(|(its, _)| *its == name).unwrap_or_else(|| panic!("no guest {name}")).1
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut figures = memory::measure().await;
    figures.extend(calls::measure().await);
    figures.extend(loading::measure().await);
    figures.extend(swaps::measure().await);
    figures.extend(fuel::measure().await);
    figures.extend(threads::measure().await);
    figures.extend(neighbours::measure().await);
    report("guests", &figures);
}

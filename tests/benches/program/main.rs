//! `tests/bench program`: start, status, idle cost and memory of the program. Ratios within one
//! run, medians of interleaved rounds.
//!
//! Takes about eight minutes, five of them for the idle node. With the argument `waiting`, only the
//! memory of waiting requests is measured.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed measurement ends the benchmark"
)]

mod idle;
mod start;
mod status;
mod waiting;

use pylon_tests::figures::report;

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some(idle::CLIENT) => return idle::client(args.collect()).await,
        Some("waiting") => report("program", &waiting::measure().await),
        _ => {}
    }
    let mut figures = vec![status::measure().await, start::measure().await, idle::measure().await];
    figures.extend(waiting::measure().await);
    report("program", &figures);
}

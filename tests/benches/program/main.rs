//! `tests/bench program`: start, status and idle cost of the program. Ratios within one run,
//! medians of interleaved rounds.
//!
//! Takes about six minutes, five of them for the idle node.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed measurement ends the benchmark"
)]

mod idle;
mod start;
mod status;

use pylon_tests::figures::report;

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some(idle::CLIENT) {
        return idle::client(args.collect()).await;
    }
    let figures = [status::measure().await, start::measure().await, idle::measure().await];
    report("program", &figures);
}

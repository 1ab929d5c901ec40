//! All integration tests in one binary, with a module for each part of the node.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

mod announcement;
mod backends;
mod buyer;
mod cli;
mod confidential;
mod conformance;
mod control;
mod daemon;
mod events;
mod files;
mod fresh_home;
mod guests;
mod hostile;
mod inputs;
mod jobs;
mod kill;
mod large_results;
mod operator;
mod panics;
mod peers;
mod relay_faults;
mod routes;
mod sandbox;
mod slots;
mod tidy;
mod toolchain;
mod undeliverable;
mod untrusted_text;

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// A component of `guests` or `tests/guests`, by the name of its file.
fn component(name: &str) -> &'static [u8] {
    GUESTS.iter().find(|(its, _)| *its == name).unwrap_or_else(|| panic!("no guest {name}")).1
}

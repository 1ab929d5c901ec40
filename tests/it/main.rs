//! All integration tests, one binary: a module for each part of the node, and one for what holds for the whole.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop"
)]

mod buyer;
mod chaining;
mod cli;
mod confidential;
mod control;
mod daemon;
mod events;
mod faults;
mod guests;
mod hostile;
mod jobs;
mod kill;
mod large;
mod operator;
mod peers;
mod presence;
mod sandbox;
mod slots;
mod tidy;

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// A component from `guests` or `tests/guests`, by the name of its file.
fn component(name: &str) -> &'static [u8] {
    GUESTS.iter().find(|(its, _)| *its == name).unwrap_or_else(|| panic!("no guest {name}")).1
}

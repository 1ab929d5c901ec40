//! The harness: real servers and a real node, each ready when its handle is returned and gone when the handle is dropped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness stops where a test would"
)]

pub mod figures;
pub mod process;
pub mod program;
pub mod proxy;
pub mod stage;
pub mod stub;
pub mod yardstick;

//! The test harness: real servers and a real node. Each is ready when its handle is returned, and
//! stopped when the handle is dropped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness stops where a test would"
)]

pub mod baseline;
pub mod conformance;
pub mod figures;
pub mod market;
pub mod process;
pub mod program;
pub mod proxy;
pub mod scripted;
pub mod stub;
pub mod terminal;
pub mod tls;

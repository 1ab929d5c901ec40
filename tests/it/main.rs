//! All integration tests, one binary: a module for each part of the node, and one for what holds for the whole.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop")]

mod jobs;
mod tidy;

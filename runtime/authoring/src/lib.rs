//! What the author of a guest works with: a crate to begin with, cases, replay of recorded decisions,
//! and back-tests of another policy over recorded jobs.

pub mod backtest;
pub mod cases;
pub mod replay;
pub mod scaffold;

//! The tools of a guest's author: a crate to start with, cases, replay of recorded decisions, and
//! back-tests of another policy over recorded jobs.

pub mod backtest;
pub mod cases;
pub mod replay;
pub mod scaffold;

//! The node: commands, configuration, and the provider that drives the way of one job. `node` wires the real parts together, `control` is how
//! commands talk to it; `provider` knows none of them.

pub(crate) mod answers;
pub mod backtest;
pub mod cases;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod control;
pub mod daemon;
mod demo;
mod drain;
pub mod earnings;
pub mod facts;
pub mod guests;
pub mod home;
pub mod identity;
pub mod log;
pub mod node;
pub mod output;
pub mod presence;
mod progress;
pub mod provider;
pub mod purchases;
pub mod replay;
mod retention;
pub mod scaffold;
pub mod secret;
mod secret_file;
mod seller;
pub mod units;

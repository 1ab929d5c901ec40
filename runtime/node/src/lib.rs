//! The node: commands, configuration, and the provider that drives the way of one job. `node` wires the real parts together; `provider`
//! knows none of them.

pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
mod demo;
pub mod earnings;
pub mod guests;
pub mod home;
pub mod identity;
pub mod log;
pub mod node;
pub mod presence;
mod printable;
pub mod provider;
pub mod purchases;

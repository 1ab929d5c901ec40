//! The node: configuration, commands, and the provider that drives the way of one job.

pub mod clock;
pub mod earnings;
pub mod provider;

//! The node as a library: its home, settings and identity, the composition of all parts, and the
//! server of the control API. Every part is a crate of its own; no decision about a job is made
//! here.

pub mod announcement;
pub mod clock;
pub mod config;
pub mod control;
mod drain;
pub mod home;
pub mod identity;
pub mod lock;
mod market_service;
pub mod node;
pub mod panics;
mod retention;
pub mod secret_file;

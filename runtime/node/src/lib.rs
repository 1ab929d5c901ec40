//! The node as a library: its home, settings and identity, the composition of all parts, and the
//! server of the control API. Each part is a crate of its own; nothing about a job is decided here.

pub mod clock;
pub mod config;
pub mod control;
mod drain;
pub mod home;
pub mod identity;
pub mod node;
pub mod presence;
mod retention;
pub mod secret_file;
mod seller;

//! How an operator's commands talk to a node at work: versioned JSON over HTTP on a Unix socket that only its owner can open.
//!
//! `types` is what is said, `server` who may connect and for how long, `routes` what is answered, `ring` the latest events, `client` the
//! other end. The lock on the home decides who runs, so a socket that is left behind means nothing.

mod client;
mod ring;
mod routes;
mod server;
mod types;

pub use client::{Client, ClientError};
pub use ring::Ring;
pub use routes::{Desk, Order};
pub use server::Server;
pub use types::{
    Backend, Backends, Daemon, Events, Failure, Guests, Model, Relay, Reloaded, Review, Stats, Status, StopRequest, Stopping,
    VERSION,
};

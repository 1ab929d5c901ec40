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
    Backend, Backends, Daemon, Events, Failure, Guests, Model, Refused, Relay, Reloaded, Review,
    Stats, Status, StopRequest, Stopping, VERSION,
};

use std::path::Path;

/// Paths of sockets are no longer than this on any system that we run on.
const PATH_BYTES_MAX: usize = 103;

/// What is wrong with this path, if it cannot be that of a socket.
fn too_long(path: &Path) -> Option<String> {
    (path.as_os_str().len() > PATH_BYTES_MAX).then(|| {
        format!(
            "{} is longer than a socket's path can be ({PATH_BYTES_MAX} bytes): set PYLON_HOME to a shorter one",
            path.display()
        )
    })
}

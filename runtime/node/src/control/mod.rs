//! The server of the control API, on a Unix socket that only the operator can open.
//!
//! `server` limits connections and their duration, `routes` answers from `status` or passes a
//! `ControlCommand` to the program that runs the node, `ring` holds the latest events. The lock of
//! the home decides which node runs, so a socket left by a killed node is replaced.

mod deadline;
mod ring;
mod routes;
mod server;
mod status;

pub use ring::Ring;
pub use routes::{ControlCommand, ControlContext};
pub use server::Server;
pub(crate) use status::totals;
pub use status::{NodeStatus, REFUSED_MAX, REFUSED_SECONDS, backends};

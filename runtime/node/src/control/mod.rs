//! The server of the control API, on a Unix socket that only the operator can open.
//!
//! `server` bounds what a client may do, `routes` answers from `status` or hands a command to the
//! program that runs the node, `ring` holds the latest events. The lock on the home decides which
//! node runs, so a socket that is left behind means nothing.

mod ring;
mod routes;
mod server;
mod status;

pub use ring::Ring;
pub use routes::{Desk, Order};
pub use server::Server;
pub(crate) use status::totals;
pub use status::{Facts, REFUSED_MAX, REFUSED_SECONDS, backends};

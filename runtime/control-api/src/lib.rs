//! The control API: versioned JSON over HTTP on the node's Unix socket. This crate has the wire
//! types and a client; the server is in `pylon-node`.

mod client;
mod socket;
mod types;

pub use client::{Client, ClientError};
pub use socket::socket_path_error;
pub use types::*;

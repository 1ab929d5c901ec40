//! The control API: what a program and a running node say to each other over the node's Unix socket,
//! as versioned JSON over HTTP. Wire types and a client; the server is the node's.

mod client;
mod types;

pub use client::{Client, ClientError};
pub use types::*;

use std::path::Path;

/// The shortest limit on the path of a Unix socket among the systems that Pylon runs on.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Why this cannot be the path of a socket, if it cannot.
pub fn socket_path_error(path: &Path) -> Option<String> {
    (path.as_os_str().len() > SOCKET_PATH_BYTES_MAX).then(|| {
        format!(
            "{} is longer than a socket's path can be ({SOCKET_PATH_BYTES_MAX} bytes): set PYLON_HOME to a shorter one",
            path.display()
        )
    })
}

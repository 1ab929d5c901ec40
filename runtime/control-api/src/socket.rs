//! The path of the control socket.

use std::path::Path;

/// The shortest limit on a Unix socket's path among the supported systems.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// An error message if this path is too long for a Unix socket.
pub fn socket_path_error(path: &Path) -> Option<String> {
    (path.as_os_str().len() > SOCKET_PATH_BYTES_MAX).then(|| {
        format!(
            "{} is longer than a Unix socket path can be ({SOCKET_PATH_BYTES_MAX} bytes): set \
             PYLON_HOME to a shorter path",
            path.display()
        )
    })
}

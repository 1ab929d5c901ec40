//! Why there is no managed server.

use std::io;
use std::path::PathBuf;

/// Every message ends with an alternative, because the first run must not fail without one.
#[derive(Debug, thiserror::Error)]
pub enum ManagedError {
    /// Missing or too old.
    #[error(
        "the demo's server needs Python 3.10 or later and found {0}; \
         install it, or start any llama.cpp server and pass `--backend URL`"
    )]
    NoPython(String),
    /// Python has no pip.
    #[error(
        "`{0}` has no pip to fetch the demo's server with; \
         install pip, or start any llama.cpp server and pass `--backend URL`"
    )]
    NoPip(String),
    /// There is no wheel for this machine.
    #[error(
        "there is no ready-made server for {0}; start any llama.cpp server and pass `--backend URL`"
    )]
    NoWheel(String),
    /// The file, and the output of pip.
    #[error(
        "cannot fetch {0}: {1}; try again, or start any llama.cpp server and pass `--backend URL`"
    )]
    Fetch(String, String),
    /// The cause, and the file with details.
    #[error(
        "the llama.cpp server does not start: {0} (see {1}); \
         start another one and pass `--backend URL`"
    )]
    Start(String, PathBuf),
    /// The path and the error.
    #[error("cannot write {0}: {1}")]
    Disk(PathBuf, io::Error),
}

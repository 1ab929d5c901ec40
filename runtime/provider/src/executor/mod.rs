//! Runs attempts in this process: the first row of the port `Executor`.

mod completion;
mod completion_guard;
mod host;
mod local;
mod recording_host;
mod stats;

pub use local::LocalExecutor;

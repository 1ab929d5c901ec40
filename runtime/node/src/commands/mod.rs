//! The commands, one file each.

pub mod backends;
pub mod backup;
pub mod compile_component;
pub mod completions;
pub mod demo;
pub mod doctor;
pub mod earnings;
pub mod events;
pub mod guest;
pub mod init;
pub mod job;
pub mod jobs_list;
pub mod jobs_review;
pub mod jobs_show;
pub mod man;
pub mod models;
pub mod reload;
pub mod start;
pub mod status;
pub mod stop;

use anyhow::{Context, Result};

/// For a command that asks the node and waits for its answer: one thread is enough.
fn block_on<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no thread to run on")?;
    runtime.block_on(answer)
}

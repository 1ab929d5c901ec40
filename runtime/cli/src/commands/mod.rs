//! The commands, one file each.

pub(crate) mod backends;
pub(crate) mod backup;
pub(crate) mod compile_component;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod earnings;
pub(crate) mod events;
mod find_job;
pub(crate) mod guest;
pub(crate) mod init;
pub(crate) mod job;
pub(crate) mod jobs_list;
pub(crate) mod jobs_review;
pub(crate) mod jobs_show;
mod jobs_text;
mod jobs_watch;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod models;
pub(crate) mod reload;
pub(crate) mod restart;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;

use anyhow::{Context, Result};

/// Runs a future on one thread, which is enough for a client of the node.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot create a thread")?;
    runtime.block_on(future)
}

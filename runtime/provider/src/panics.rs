//! A panic is a bug. It ends the job that it happened in, or restarts the worker, and never stops
//! the node silently. Its message may quote a job: nothing here reads it. The panic hook of the
//! program logs the place, and asks here for the job.

use futures::FutureExt as _;
use pylon_core::JobId;
use pylon_core::backoff::Backoff;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Between two starts of a worker that panics.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

tokio::task_local! {
    static JOB: JobId;
}

/// The job that the current task works on.
pub fn current_job() -> Option<JobId> {
    JOB.try_with(|job| *job).ok()
}

/// The work panicked.
#[derive(Debug)]
pub struct Panicked;

/// Runs work that may panic.
pub async fn catch<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Panicked)
}

/// Runs work of a job that may panic.
pub async fn catch_in_job<T>(job: JobId, work: impl Future<Output = T>) -> Result<T, Panicked> {
    JOB.scope(job, catch(work)).await
}

/// Runs a worker to its end. If it panics it is started again, after a pause.
pub(crate) async fn supervise<F: Future<Output = ()>>(
    worker: &'static str,
    mut start: impl FnMut() -> F,
) {
    let mut backoff = Backoff::new(BACKOFF_MIN, BACKOFF_MAX);
    while catch(async { start().await }).await.is_err() {
        tracing::error!(worker, "the worker panicked, starting it again");
        tokio::time::sleep(backoff.next_pause()).await;
    }
}

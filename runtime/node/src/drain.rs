//! Ends jobs that still need a replaced guest after `guest_drain_seconds`. Payments for them become
//! refunds due.

use pylon_core::UnixTime;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::journal::Journal;
use pylon_provider::Drainer;
use pylon_slots::SlotManager;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// The check interval while such jobs may exist: one may be admitted just before a change.
const CHECK_INTERVAL_SECONDS: u64 = 30;

/// Runs until it is aborted.
pub(crate) async fn run(
    manager: Arc<SlotManager>,
    jobs: Drainer,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    seconds: Arc<AtomicU32>,
) {
    let mut changes = manager.changes();
    loop {
        let (now, left) = (clock.now(), u64::from(seconds.load(Ordering::Relaxed)));
        let mut next = None;
        match journal.unfinished() {
            Ok(unfinished) => {
                for job in unfinished
                    .into_iter()
                    .filter(|job| !job.execution.is_over() && job.revision > 0)
                {
                    let replaced = manager.replaced_at(job.revision, job.kind).await;
                    match replaced.map(|at: UnixTime| at.plus(left)) {
                        Some(due) if due <= now => jobs.end(job.id).await,
                        Some(due) => {
                            next = Some(next.map_or(due, |sooner: UnixTime| sooner.min(due)))
                        }
                        None => {}
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "cannot check jobs of replaced guests, retrying"),
        }
        let soon = next
            .map_or(CHECK_INTERVAL_SECONDS, |due| due.since(now).clamp(1, CHECK_INTERVAL_SECONDS));
        let is_settled = manager
            .last_change()
            .await
            .is_none_or(|at| at.plus(left + 2 * CHECK_INTERVAL_SECONDS) < now);
        let changed = if is_settled && next.is_none() {
            changes.changed().await
        } else {
            timeout(Duration::from_secs(soon), changes.changed()).await.unwrap_or(Ok(()))
        };
        if changed.is_err() {
            return;
        }
    }
}

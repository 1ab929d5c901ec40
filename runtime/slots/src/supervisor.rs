//! Runs next to the jobs: rolls back failing guests and those with expired releases, and calls
//! shadows.

use crate::health::HealthEvents;
use crate::slot_manager::{RETRY_SECONDS, SlotManager};
use pylon_core::ports::clock::Clock;
use pylon_core::ports::journal::Journal;
use pylon_core::rows::Row;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;
use tokio::time::timeout;

/// Runs until it is aborted.
pub async fn run(
    events: HealthEvents,
    manager: Arc<SlotManager>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
) {
    let deletions = async {
        manager.query_deletions(clock.now()).await;
        manager.remove_expired(&*journal, clock.now()).await;
    };
    tokio::join!(
        handle_events(events, &manager, &*journal, &*clock),
        expire(&manager, &*journal, &*clock),
        deletions
    );
}

/// Until the monitor is dropped. Alerts come before shadows.
async fn handle_events(
    events: HealthEvents,
    manager: &SlotManager,
    journal: &dyn Journal,
    clock: &dyn Clock,
) {
    let HealthEvents { mut alerts, mut questions } = events;
    loop {
        tokio::select! {
            biased;
            Some(alert) = alerts.recv() => manager.roll_back(alert, journal, clock.now()).await,
            Some(question) = questions.recv() => {
                if let Some(answer) = question.answer()
                    && let Err(error) = journal.commit([Row::Shadow(Box::new(answer))].into()).await
                {
                    tracing::warn!(%error, "cannot record the answer of a shadow");
                }
            }
            else => return,
        }
    }
}

/// Removes guests when their releases expire, and after each change of the slots.
async fn expire(manager: &SlotManager, journal: &dyn Journal, clock: &dyn Clock) {
    let mut changes = manager.changes();
    loop {
        // One time for both: a release that expires in between has expired for neither.
        let now = clock.now();
        manager.remove_expired(journal, now).await;
        let next = manager.next_expiry(now).await;
        // In steps, because this machine may sleep and its clock may be set.
        let seconds = next.map(|end| end.since(clock.now()).clamp(1, RETRY_SECONDS));
        if !wait_for_change(&mut changes, seconds).await {
            return;
        }
    }
}

/// Waits for a change or until the timeout; `false` if there will be no more changes.
async fn wait_for_change(changes: &mut Receiver<u64>, seconds: Option<u64>) -> bool {
    match seconds {
        Some(seconds) => timeout(Duration::from_secs(seconds), changes.changed())
            .await
            .map_or(true, |changed| changed.is_ok()),
        None => changes.changed().await.is_ok(),
    }
}

//! Acts on what the watch sees and on releases that end, beside the jobs: takes out guests that fail too often or may not serve on, and has shadows
//! answer.

use super::{Reports, Workshop};
use pylon_core::ports::clock::Clock;
use pylon_core::ports::journal::Journal;
use pylon_core::rows::Row;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;
use tokio::time::timeout;

/// The end of a release is awaited in such steps: this machine may sleep, and its clock be set. A guest that should have gone is looked at again as soon.
pub(super) const STEP_SECONDS: u64 = 600;

/// Until stopped.
pub async fn run(
    reports: Reports,
    workshop: Arc<Workshop>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
) {
    let asks = async {
        workshop.ask_for_deletions(clock.now()).await;
        workshop.hold_to_releases(&*journal, clock.now()).await;
    };
    tokio::join!(
        watch(reports, &workshop, &*journal, &*clock),
        releases(&workshop, &*journal, &*clock),
        asks
    );
}

/// Until the watch is gone.
async fn watch(reports: Reports, workshop: &Workshop, journal: &dyn Journal, clock: &dyn Clock) {
    let Reports { mut alarms, mut questions } = reports;
    loop {
        tokio::select! {
            biased;
            Some(alarm) = alarms.recv() => workshop.take_out(alarm, journal, clock.now()).await,
            Some(question) = questions.recv() => {
                if let Some(answer) = question.ask()
                    && let Err(error) = journal.commit([Row::Shadow(Box::new(answer))].into()).await
                {
                    tracing::warn!(%error, "what a shadow said is not written");
                }
            }
            else => return,
        }
    }
}

/// Looks when a release ends, and after each change of the slots.
async fn releases(workshop: &Workshop, journal: &dyn Journal, clock: &dyn Clock) {
    let mut changes = workshop.changes();
    loop {
        // Both ask about one moment: a release that ends between them has ended for neither.
        let now = clock.now();
        workshop.hold_to_releases(journal, now).await;
        let wait =
            workshop.next_end(now).await.map(|end| end.since(clock.now()).clamp(1, STEP_SECONDS));
        if !changed(&mut changes, wait).await {
            return;
        }
    }
}

/// Waits for a change, at most so long; `false`: there will be none any more.
async fn changed(changes: &mut Receiver<u64>, seconds: Option<u64>) -> bool {
    match seconds {
        Some(seconds) => timeout(Duration::from_secs(seconds), changes.changed())
            .await
            .map_or(true, |changed| changed.is_ok()),
        None => changes.changed().await.is_ok(),
    }
}

//! Acts on what the watch sees, beside the jobs: takes out guests that fail too often, and has shadows answer.

use super::{Reports, Workshop};
use pylon_core::ports::clock::Clock;
use pylon_core::ports::journal::{Journal, Row};
use std::sync::Arc;

/// Until the watch is gone.
pub(crate) async fn run(reports: Reports, workshop: Arc<Workshop>, journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) {
    let Reports { mut alarms, mut questions } = reports;
    loop {
        tokio::select! {
            biased;
            Some(alarm) = alarms.recv() => workshop.take_out(alarm, &*journal, clock.now()).await,
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

//! Writes what must be written, however long it takes: nothing is acted on before. A job that waits here keeps its place, so that a journal
//! that cannot be written soon stops the intake, and nothing is lost.

use super::Shared;
use pylon_core::JobId;
use pylon_core::ports::journal::JournalError;
use pylon_core::rows::Row;
use std::sync::Arc;
use std::time::Duration;

/// Between two tries, at first and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(200);
const AGAIN_MOST: Duration = Duration::from_secs(15);

/// Commits the rows. An error is final: the rows are known already, or nobody can ever write them, or the node has stopped.
pub(super) async fn commit(
    shared: &Shared,
    job: JobId,
    rows: Arc<[Row]>,
) -> Result<(), JournalError> {
    let mut pause = AGAIN_FIRST;
    loop {
        match shared.journal.commit(Arc::clone(&rows)).await {
            Ok(()) => return Ok(()),
            Err(JournalError::Known) => return Err(JournalError::Known),
            Err(error @ (JournalError::Contradicts(_) | JournalError::Unreadable(_))) => {
                tracing::error!(job = %job.short(), %error, "not written");
                return Err(error);
            }
            Err(error) if shared.registry.is_closed() => {
                tracing::error!(job = %job.short(), %error, "not written before the stop");
                return Err(error);
            }
            Err(error) => {
                tracing::error!(job = %job.short(), %error, "not written: tried again until it is");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(AGAIN_MOST);
    }
}

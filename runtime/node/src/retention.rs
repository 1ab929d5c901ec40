//! The purge of old texts while the node is idle.

use pylon_journal::{Config, SqliteJournal};
use std::sync::Arc;
use std::time::Duration;

/// Every commit purges old texts. An idle node purges them at this interval.
const PURGE_INTERVAL: Duration = Duration::from_secs(600);

/// Sets the retention and purges at intervals, until the journal is dropped.
pub(crate) fn start(journal: &Arc<SqliteJournal>, config: &Config) {
    journal.set_retention(config.retention());
    let journal = Arc::downgrade(journal);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(PURGE_INTERVAL);
        loop {
            tick.tick().await;
            let Some(journal) = journal.upgrade() else { return };
            if let Err(error) = journal.purge().await {
                tracing::warn!(%error, "purge failed, will retry");
            }
        }
    });
}

//! The retention of texts from the settings, and the purge of an idle node.

use crate::config::JournalConfig;
use pylon_journal::{Retention, SqliteJournal};
use std::sync::Arc;
use std::time::Duration;

const DAY_SECONDS: u64 = 86_400;
const MB: u64 = 1 << 20;
/// Every commit purges old texts. An idle node purges them at this interval.
const PURGE_INTERVAL: Duration = Duration::from_secs(600);

/// The retention of these settings.
pub(crate) fn from_settings(settings: &JournalConfig) -> Retention {
    Retention {
        seconds: u64::from(settings.keep_text_days) * DAY_SECONDS,
        bytes: u64::from(settings.keep_text_mb) * MB,
    }
}

/// Sets the retention and purges at intervals, until the journal is dropped.
pub(crate) fn start(journal: &Arc<SqliteJournal>, settings: &JournalConfig) {
    journal.set_retention(from_settings(settings));
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

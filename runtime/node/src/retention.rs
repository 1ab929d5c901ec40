//! How long the journal keeps texts, from the settings, and who reminds it while nothing happens.

use crate::config::JournalConfig;
use pylon_journal::{Retention, SqliteJournal};
use std::sync::Arc;
use std::time::Duration;

const DAY_SECONDS: u64 = 86_400;
const MB: u64 = 1 << 20;
/// A node that writes lets go of old texts with every commit; one that does not, after this.
const REMIND_EVERY: Duration = Duration::from_secs(600);

/// What the settings say.
pub(crate) fn of(settings: &JournalConfig) -> Retention {
    Retention {
        seconds: u64::from(settings.keep_text_days) * DAY_SECONDS,
        bytes: u64::from(settings.keep_text_mb) * MB,
    }
}

/// Holds the journal to these settings, until nobody holds the journal.
pub(crate) fn watch(journal: &Arc<SqliteJournal>, settings: &JournalConfig) {
    journal.set_retention(of(settings));
    let journal = Arc::downgrade(journal);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(REMIND_EVERY);
        loop {
            tick.tick().await;
            let Some(journal) = journal.upgrade() else { return };
            if let Err(error) = journal.purge().await {
                tracing::warn!(%error, "old texts stay for now");
            }
        }
    });
}

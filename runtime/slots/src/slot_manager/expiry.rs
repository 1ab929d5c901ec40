//! Removes guests whose required releases expired or were deleted while they serve: as a failing
//! guest is rolled back. Shadows are removed.

use super::auto_rollback::Cause;
use super::{RETRY_SECONDS, SlotManager};
use crate::audit::shadow_removed;
use crate::health::FaultAlert;
use crate::history;
use futures::future::join_all;
use pylon_core::UnixTime;
use pylon_core::ports::journal::Journal;

impl SlotManager {
    /// Removes the guests with expired or deleted releases.
    pub async fn remove_expired(&self, journal: &dyn Journal, now: UnixTime) {
        for (guest, why) in self.expired(now).await {
            self.replace(guest, Cause::Expired(why), journal, now).await;
        }
        let mut state = self.state.lock().await;
        let installer = self.installer(&state.config);
        let shadows = state.shadows().filter_map(|(slot, shadow)| {
            let why = installer.expiry(slot, shadow, now)?;
            let why = format!("its release is not valid any more: {why}");
            Some(shadow_removed("expired", slot, shadow, &why, now))
        });
        let rows: Vec<_> = shadows.flatten().collect();
        if let Err(error) = self.commit(&mut state, journal, rows).await {
            tracing::error!(%error, "cannot remove a shadow with an expired release");
        }
    }

    /// The serving guests with expired or deleted releases.
    async fn expired(&self, now: UnixTime) -> Vec<(FaultAlert, &'static str)> {
        let state = self.state.lock().await;
        let serving = history::at(&state.history, history::newest(&state.history));
        let expired = serving.into_iter().filter_map(|(slot, row)| {
            let why = self.installer(&state.config).expiry(slot, row.guest.as_ref()?, now)?;
            Some((FaultAlert { slot, revision: row.revision }, why))
        });
        expired.collect()
    }

    /// When [`Self::remove_expired`] is next needed: when a release of a serving guest or a shadow
    /// expires, or after a while, if an expired guest could not be removed. `None`: never.
    pub async fn next_expiry(&self, now: UnixTime) -> Option<UnixTime> {
        let state = self.state.lock().await;
        let installer = self.installer(&state.config);
        let guests = history::current(&state.history).into_iter().chain(state.shadows());
        let times = guests.filter_map(|(slot, record)| {
            let retry = installer.expiry(slot, record, now).map(|_| now.plus(RETRY_SECONDS));
            retry.or_else(|| installer.expires_at(slot, record))
        });
        times.min()
    }

    /// Queries the URLs that guests came from for deletions of their releases. A server that does
    /// not respond has not deleted any.
    pub async fn query_deletions(&self, now: UnixTime) {
        let state = self.state.lock().await.clone();
        let installer = self.installer(&state.config);
        let guests = history::current(&state.history).into_iter().chain(state.shadows());
        let queries = guests.map(async |(slot, record)| {
            if let Err(error) = installer.query_deletion(record, now).await {
                let error = format!("{error:#}");
                tracing::warn!(%slot, error, "cannot query whether a release was deleted");
            }
        });
        join_all(queries).await;
    }
}

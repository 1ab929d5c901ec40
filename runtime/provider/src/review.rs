//! What comes to a job from outside of its own way: the operator's word on a result that waits for it, and the end of its guests.

use super::registry::{self, Note};
use super::{Provider, Shared};
use anyhow::{Context, Result, anyhow};
use pylon_core::installation::Audit;
use pylon_core::machine::Event;
use pylon_core::rows::Row;
use pylon_core::{JobId, UnixTime};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longer than this the operator does not wait for the journal.
const HEARD_WITHIN: Duration = Duration::from_secs(30);

/// Ends jobs whose guests are to go.
pub struct Drainer(Arc<Shared>);

impl Drainer {
    /// Ends it, if it still needs them.
    pub async fn end(&self, job: JobId) {
        registry::tell(&self.0, job, Event::Drained.into()).await;
    }
}

impl Provider {
    /// For those who end jobs whose guests are to go.
    pub fn drainer(&self) -> Drainer {
        Drainer(Arc::clone(&self.shared))
    }

    /// Sends a result that waits for the operator, or does not. What it leads to is seen in the job's row.
    pub async fn review(&self, job: JobId, release: bool, now: UnixTime) -> Result<()> {
        let nothing = || {
            anyhow!(
                "job {} has no result that waits for you: `pylon jobs list` shows those that have (in_review)",
                job.short()
            )
        };
        let state = self
            .shared
            .journal
            .job(job)?
            .filter(|state| state.is_in_review())
            .ok_or_else(nothing)?;
        let (event, action) =
            if release { (Event::Accepted, "release") } else { (Event::Rejected, "reject") };
        let audit = Audit {
            at: now,
            action: action.into(),
            slot: format!("verification:{}", state.job.kind),
            digest: None,
            guest: String::new(),
            publisher: None,
            outcome: "done".into(),
            detail: format!("job {job}"),
        };
        let (heard, answer) = oneshot::channel();
        registry::tell(
            &self.shared,
            job,
            Note { heard: Some(heard), ..Note::with(event, vec![Row::Audit(Box::new(audit))]) },
        )
        .await;
        let slow = || {
            format!(
                "job {} is not written within {} s: see the log",
                job.short(),
                HEARD_WITHIN.as_secs()
            )
        };
        timeout(HEARD_WITHIN, answer).await.with_context(slow)?.map_err(|_| nothing())
    }
}

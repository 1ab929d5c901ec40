//! Decisions about a job that do not come from its own course: the operator's on a result in
//! review, and the end of its guests.

use crate::envelope::Envelope;
use crate::registry::Registry;
use anyhow::{Context, Result, anyhow};
use pylon_core::installation::Audit;
use pylon_core::machine::Event;
use pylon_core::ports::journal::Journal;
use pylon_core::rows::Row;
use pylon_core::{JobId, UnixTime};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Until the commit of the operator's decision.
const ACK_TIMEOUT: Duration = Duration::from_secs(30);

/// Ends jobs whose guests were replaced.
pub struct Drainer(pub(crate) Arc<Registry>);

impl Drainer {
    /// Ends the job if it still needs its guests.
    pub async fn end(&self, job: JobId) {
        self.0.deliver(job, Event::Drained.into()).await;
    }
}

/// Accepts or rejects a result in review. What follows can be seen in the job's row.
pub(crate) async fn review(
    journal: &dyn Journal,
    registry: &Arc<Registry>,
    job: JobId,
    accept: bool,
    now: UnixTime,
) -> Result<()> {
    let nothing = || {
        anyhow!(
            "job {} has no result in review: `pylon jobs list` shows those that have (in_review)",
            job.short()
        )
    };
    let state = journal.job(job)?.filter(|state| state.is_in_review()).ok_or_else(nothing)?;
    let (event, action) =
        if accept { (Event::Accepted, "accept") } else { (Event::Rejected, "reject") };
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
    let (ack, acked) = oneshot::channel();
    let rows = vec![Row::Audit(Box::new(audit))];
    registry.deliver(job, Envelope { ack: Some(ack), ..Envelope::with(event, rows) }).await;
    let slow = || {
        let seconds = ACK_TIMEOUT.as_secs();
        format!("job {} was not committed within {seconds} s: see the log", job.short())
    };
    timeout(ACK_TIMEOUT, acked).await.with_context(slow)?.map_err(|_| nothing())
}

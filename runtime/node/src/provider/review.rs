//! What comes to a job from outside of its own way: the operator's word on a result that waits for it, and the end of its guests.

use super::registry::{self, Note};
use super::{Provider, Shared};
use anyhow::{Result, bail};
use pylon_core::machine::Event;
use pylon_core::ports::installations::Audit;
use pylon_core::ports::journal::Row;
use pylon_core::{JobId, UnixTime};
use std::sync::Arc;

/// Ends jobs whose guests are to go.
pub struct Drainer(Arc<Shared>);

impl Drainer {
    /// Ends it, if it still needs them.
    pub async fn end(&self, job: JobId) {
        registry::tell(&self.0, job, Note { event: Event::Drained, rows: Vec::new() }).await;
    }
}

impl Provider {
    /// For those who end jobs whose guests are to go.
    pub fn drainer(&self) -> Drainer {
        Drainer(Arc::clone(&self.shared))
    }

    /// Sends a result that waits for the operator, or does not. What it leads to is seen in the job's row.
    pub async fn review(&self, job: JobId, release: bool, now: UnixTime) -> Result<()> {
        let state = self.shared.journal.job(job)?;
        let Some(state) = state.filter(|state| state.is_in_review()) else {
            bail!("job {} has no result that waits for you: `pylon jobs list` shows those that have (in_review)", job.short());
        };
        let (event, action) = if release { (Event::Released, "release") } else { (Event::Rejected, "reject") };
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
        registry::tell(&self.shared, job, Note { event, rows: vec![Row::Audit(Box::new(audit))] }).await;
        Ok(())
    }
}

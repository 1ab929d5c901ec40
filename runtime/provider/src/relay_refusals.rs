//! Records why relays refuse messages, so that the operator finds it with the job.

use crate::recorder::JobRecorder;
use pylon_core::rows::Row;
use std::sync::Arc;

/// Records the refusals of relays until the market closes.
pub(crate) async fn record(recorder: Arc<JobRecorder>) {
    while let Some(refusal) = recorder.market.next_refusal().await {
        let job = refusal.job.short();
        let row = Row::RefusedByRelay(refusal, recorder.now());
        // The log has it.
        if let Err(error) = recorder.journal.commit([row].into()).await {
            tracing::warn!(%job, %error, "the refusal of a relay was not recorded");
        }
    }
}

//! Events of the market that inputs point to: a message, or the result of another job.

use super::inputs::Unfetched;
use crate::{JobId, MessageId};
use async_trait::async_trait;
use std::time::Duration;

/// Reads events that other parties published.
#[async_trait]
pub trait EventSource: Send + Sync {
    /// The text of a message. `hint` is the address where the customer says it can be found.
    async fn message(
        &self,
        id: MessageId,
        hint: Option<&str>,
        timeout: Duration,
    ) -> Result<String, Unfetched>;

    /// The text that a provider delivers for this job, now or before the timeout. A result that does
    /// not fit in one event is reported as larger than `bytes_max`.
    async fn result_of(
        &self,
        job: JobId,
        bytes_max: u64,
        timeout: Duration,
    ) -> Result<String, Unfetched>;
}

//! Events of the market that inputs refer to: a message, or the result of another job.

use super::inputs::FetchError;
use crate::{JobId, MessageId};
use async_trait::async_trait;
use std::time::Duration;

/// Reads events that other parties published.
#[async_trait]
pub trait EventSource: Send + Sync {
    /// The text of a message. `hint` is the address given by the customer.
    async fn message(
        &self,
        id: MessageId,
        hint: Option<&str>,
        timeout: Duration,
    ) -> Result<String, FetchError>;

    /// The result that a provider delivers for this job before the timeout. A result that does not
    /// fit in one event is reported as larger than `bytes_max`.
    async fn result_of(
        &self,
        job: JobId,
        bytes_max: u64,
        timeout: Duration,
    ) -> Result<String, FetchError>;
}

//! Fetches inputs that a request only refers to: a page, an event, the result of another job.

use crate::Input;
use crate::job::JobError;
use crate::sources::{Granted, Sources};
use async_trait::async_trait;

/// Why an input could not be fetched. The messages go to the customer: they contain no resolved
/// address and nothing of what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It may not be fetched, with the reason.
    #[error("{0}")]
    Denied(&'static str),
    /// It was not found, or nothing answers there.
    #[error("cannot be reached")]
    Unreachable,
    /// Larger than this many bytes.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// Not UTF-8 text.
    #[error("not text")]
    NotText,
    /// Not available within this many seconds.
    #[error("not available within {0} s")]
    Timeout(u64),
    /// The provider of the other job reports an error.
    #[error("its provider reports an error")]
    Failed,
    /// The queue of fetches is full.
    #[error("too many inputs are being fetched: try again later")]
    Busy,
}

impl FetchError {
    /// The message to the customer about the input at this index.
    pub fn message_for(&self, index: usize) -> String {
        format!("input {}: {self}", index.saturating_add(1))
    }

    /// The error of the job whose input at this index could not be fetched.
    pub fn to_job_error(&self, index: usize) -> JobError {
        let message = self.message_for(index);
        match self {
            Self::Denied(_) | Self::Unreachable | Self::TooLarge(_) | Self::NotText => {
                JobError::Invalid(message)
            }
            Self::Timeout(_) | Self::Failed | Self::Busy => JobError::Failed(message),
        }
    }
}

/// Fetches inputs within the adapter's timeouts and under its policy for untrusted addresses.
#[async_trait]
pub trait Inputs: Send + Sync {
    /// The sources that the operator grants.
    fn granted(&self) -> Granted;

    /// Checks an input without any I/O.
    fn check(&self, input: &Input, sources: &Sources) -> Result<(), FetchError>;

    /// The text, of at most `bytes_max` bytes. Applies the same checks as [`Self::check`], also to
    /// every redirect.
    async fn fetch(
        &self,
        input: &Input,
        sources: &Sources,
        bytes_max: u64,
    ) -> Result<String, FetchError>;
}

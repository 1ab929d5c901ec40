//! Texts that a customer only pointed to: a page, a message, the result of another job.

use crate::Input;
use crate::ports::guests::JobError;
use crate::sources::{Granted, Sources};
use async_trait::async_trait;

/// Why an input has no text. The words are the customer's: no address that was found, nothing of what was there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfetched {
    /// It may not be fetched, and why.
    #[error("{0}")]
    Denied(&'static str),
    /// Nobody has it, or nobody answers.
    #[error("cannot be reached")]
    Unreachable,
    /// Over this many bytes.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// Not UTF-8 text.
    #[error("not text")]
    NotText,
    /// Not there within so many seconds.
    #[error("not there within {0} s")]
    Timeout(u64),
    /// Whoever was asked for it has given up.
    #[error("its provider reports an error")]
    Failed,
    /// Too many wait already.
    #[error("too many are being fetched: try again later")]
    Busy,
}

impl Unfetched {
    /// In the customer's words, told of the input at `index`.
    pub fn of_input(&self, index: usize) -> String {
        format!("input {}: {self}", index.saturating_add(1))
    }

    /// As the end of the job whose input at `index` it was.
    pub fn end(&self, index: usize) -> JobError {
        match self {
            Self::Denied(_) | Self::Unreachable | Self::TooLarge(_) | Self::NotText => {
                JobError::Invalid(self.of_input(index))
            }
            Self::Timeout(_) | Self::Failed | Self::Busy => JobError::Failed(self.of_input(index)),
        }
    }
}

/// Fetches, within the adapter's deadlines and under its policy for addresses that strangers name.
#[async_trait]
pub trait Inputs: Send + Sync {
    /// What the operator lets be fetched.
    fn granted(&self) -> Granted;

    /// Is there anything to be said against it before anything is reached? Costs nothing.
    fn check(&self, input: &Input, sources: &Sources) -> Result<(), Unfetched>;

    /// The text, of at most so many bytes. An input that was not checked before is checked by this, and so is every place that it leads to.
    async fn fetch(
        &self,
        input: &Input,
        sources: &Sources,
        bytes_max: u64,
    ) -> Result<String, Unfetched>;
}

//! The messages that a buyer receives, and its errors.

use crate::nip90::{Delivered, Feedback};
use pylon_core::{JobId, PublicKey};

/// Why the buyer failed.
#[derive(Debug, thiserror::Error)]
pub enum BuyerError {
    /// No relay is connected.
    #[error("no relay: {0}")]
    Relay(String),
    /// No relay accepted the request.
    #[error("the request was not published: {0}")]
    NotPublished(String),
    /// No relay answered; with the reason of each.
    #[error("no relay has answered: {0}")]
    QueryError(String),
    /// The connection was closed.
    #[error("the connection to the relays was closed")]
    Closed,
}

/// A message of a provider about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderMessage {
    /// The status of the job.
    Feedback(Feedback),
    /// The result.
    Result(Delivered),
    /// A message that cannot be read: not encrypted to us, or incomplete.
    Unreadable {
        /// The job.
        job: JobId,
        /// The provider.
        provider: PublicKey,
        /// Why the message cannot be read.
        why: String,
    },
}

impl ProviderMessage {
    /// The job that it is about.
    pub fn job(&self) -> JobId {
        match self {
            Self::Feedback(feedback) => feedback.job,
            Self::Result(result) => result.job,
            Self::Unreadable { job, .. } => *job,
        }
    }

    /// The provider that sent it.
    pub fn provider(&self) -> PublicKey {
        match self {
            Self::Feedback(feedback) => feedback.provider,
            Self::Result(result) => result.provider,
            Self::Unreadable { provider, .. } => *provider,
        }
    }
}

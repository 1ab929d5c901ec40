//! Why a job has no result.

use crate::job::JobError;
use serde::{Deserialize, Serialize};

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The handler returned an error, or could not be run.
    Job(JobError),
    /// The result was rejected.
    Rejected(String),
    /// The payment failed.
    Payment(String),
    /// The result could not be handed over.
    Undeliverable,
    /// A task of the job panicked.
    Panicked,
}

impl Failure {
    /// The message to the customer. Clients compare `no backend` and `timeout`: these are fixed.
    pub fn message(&self) -> String {
        match self {
            Self::Job(JobError::Invalid(why)) => format!("invalid request: {why}"),
            Self::Job(JobError::NoBackend) => "no backend".into(),
            Self::Job(JobError::Timeout) => "timeout".into(),
            Self::Job(JobError::Failed(why)) => format!("processing error: {why}"),
            Self::Job(JobError::InvalidSetting(name)) => {
                format!("processing error: invalid setting: {name}")
            }
            Self::Rejected(why) => format!("processing error: the result was rejected: {why}"),
            Self::Payment(why) => format!("payment: {why}"),
            Self::Undeliverable => "processing error: the result cannot be delivered".into(),
            Self::Panicked => "processing error: internal error of the provider".into(),
        }
    }

    /// Replaces every text that a guest wrote, which may quote request and output.
    #[must_use]
    pub fn redact(&self, with: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Job(error) => Self::Job(error.redact(with)),
            Self::Rejected(why) => Self::Rejected(with(why)),
            Self::Payment(_) | Self::Undeliverable | Self::Panicked => self.clone(),
        }
    }
}

//! The inputs of a job.

use crate::{JobId, MessageId};
use serde::{Deserialize, Serialize};

/// One input. Handlers get its text through the host, policies never get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Where the text is.
    pub source: InputSource,
    /// Where the event or result may be found, in the market's terms. Written by the customer and
    /// not trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The customer's label for it.
    pub marker: Option<String>,
}

impl Input {
    /// Bytes of text known before anything is fetched.
    pub fn bytes(&self) -> u64 {
        match &self.source {
            InputSource::Text(text) => text.len() as u64,
            InputSource::Purged(bytes) => *bytes,
            InputSource::Url(_) | InputSource::Event(_) | InputSource::Job(_) => 0,
        }
    }
}

/// Where an input's text is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSource {
    /// In the request itself.
    Text(String),
    /// At this address.
    Url(String),
    /// In another event.
    Event(MessageId),
    /// In the result of another job.
    Job(JobId),
    /// Was in the request; the journal keeps only the number of bytes.
    Purged(u64),
}

impl InputSource {
    /// The input type of NIP-90.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Purged(_) => "text",
            Self::Url(_) => "url",
            Self::Event(_) => "event",
            Self::Job(_) => "job",
        }
    }
}

/// Why a handler gets no text of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "named as in the WIT interface `inputs`, which documents them")]
pub enum InputError {
    Denied,
    Other(String),
}

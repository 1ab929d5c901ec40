//! A server that generates text.

use crate::completion::{Chunk, CompletionRequest, ModelInfo};
use async_trait::async_trait;
use std::time::Duration;

/// How a backend failed at a request. The messages contain nothing that the backend said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendFault {
    /// It rejects this request; it might accept another.
    #[error("it rejects this request")]
    Refused,
    /// It reports an internal error.
    #[error("it reports an internal error")]
    Internal,
    /// The answer has no end.
    #[error("its answer was truncated")]
    Truncated,
    /// The answer cannot be parsed.
    #[error("its answer cannot be parsed")]
    Unreadable,
    /// The answer exceeds the requested length.
    #[error("its answer is longer than requested")]
    TooLong,
    /// Prompt and answer do not fit its context window, whose size it does not report.
    #[error("the prompt and the answer exceed its context window")]
    ContextExceeded,
}

/// Why there is no completion, by what the caller does next. The texts may quote the server, and
/// are for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InferenceError {
    /// Unreachable or not ready: try another backend.
    #[error("the backend fails: {0}")]
    Unavailable(String),
    /// Ready again soon: try another backend, or wait and ask again.
    #[error("the backend is busy: {why}")]
    Busy {
        /// The server's words, or the limit of this machine.
        why: String,
        /// The pause that the server asks for.
        retry_after: Option<Duration>,
    },
    /// It wants another API key: use it no more until the operator has set one.
    #[error("the backend rejects the API key: {0}")]
    Unauthorized(String),
    /// Reachable, but unable to answer this request: try another backend. The fault may be
    /// published.
    #[error("the backend cannot answer this request: {1}")]
    Failed(BackendFault, String),
    /// The prompt exceeds the context window of this many tokens.
    #[error("the prompt is longer than {0} tokens")]
    TooLong(u32),
    /// The model used this many tokens, all that were allowed, before its answer began.
    #[error("all {0} tokens went into reasoning and none into the answer: allow more tokens")]
    OnlyReasoning(u64),
    /// This backend does not support it.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Too slow.
    #[error("the backend sent nothing before the timeout")]
    Timeout,
}

impl InferenceError {
    /// The message without the server's words, which may quote the request.
    pub fn redacted(&self) -> String {
        match self {
            Self::Unavailable(_) => "the backend fails".into(),
            Self::Busy { .. } => "the backend is busy".into(),
            Self::Unauthorized(_) => "the backend rejects the API key".into(),
            Self::Failed(fault, _) => format!("the backend cannot answer this request: {fault}"),
            Self::TooLong(_) | Self::OnlyReasoning(_) | Self::Unsupported(_) | Self::Timeout => {
                self.to_string()
            }
        }
    }

    /// What the operator can do about a backend of this name that is not available.
    pub fn hint(&self, backend: &str) -> String {
        match self {
            Self::Unauthorized(_) => format!(
                "set `inference.{backend}.api_key_file` to a file with its API key, then restart \
                 the node"
            ),
            Self::Busy { .. } => "wait, or reduce the load".into(),
            _ => format!("start the server, or set `inference.{backend}.url`"),
        }
    }
}

/// A running completion. Dropping it stops the backend.
#[async_trait]
pub trait CompletionStream: Send {
    /// The next item. Not called again after [`Chunk::End`].
    async fn next(&mut self) -> Result<Chunk, InferenceError>;
}

/// An inference backend.
#[async_trait]
pub trait Inference: Send + Sync {
    /// Its name in routes and events.
    fn id(&self) -> &str;

    /// Requests that it serves at the same time.
    fn max_concurrency(&self) -> u32;

    /// Checks that it is ready, and lists its models.
    async fn models(&self) -> Result<Vec<ModelInfo>, InferenceError>;

    /// Starts a completion. The caller always gets a stream of text.
    async fn generate(
        &self,
        request: &CompletionRequest,
    ) -> Result<Box<dyn CompletionStream>, InferenceError>;
}

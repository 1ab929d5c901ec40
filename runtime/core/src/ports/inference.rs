//! A server that generates text.

use crate::completion::{Chunk, CompletionRequest, ModelInfo};
use async_trait::async_trait;

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
}

/// Why there is no completion, by what the caller does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InferenceError {
    /// Unreachable or not ready: try another backend. The text is for the operator's log.
    #[error("the backend fails: {0}")]
    Unavailable(String),
    /// Reachable, but unable to answer this request: try another backend. The fault may be
    /// published, the text is for the operator's log.
    #[error("the backend cannot answer this request: {1}")]
    Failed(BackendFault, String),
    /// The prompt exceeds the context window of this many tokens.
    #[error("the prompt is longer than {0} tokens")]
    TooLong(u32),
    /// This backend does not support it.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Too slow.
    #[error("the backend sent nothing before the timeout")]
    Timeout,
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

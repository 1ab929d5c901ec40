//! A server that generates text.

use crate::work::Usage;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The operator.
    System,
    /// The customer.
    User,
    /// The model.
    Assistant,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// As the backend lists it.
    pub model: String,
    /// At least one.
    pub messages: Vec<ChatMessage>,
    /// Always set: nothing is generated without a bound.
    pub max_tokens: u32,
    /// 0 to 2.
    pub temperature: Option<f32>,
    /// Above 0, up to 1.
    pub top_p: Option<f32>,
    /// At least 1.
    pub top_k: Option<u32>,
    /// -2 to 2.
    pub frequency_penalty: Option<f32>,
    /// Where to stop.
    pub stop: Vec<String>,
    /// Best effort.
    pub seed: Option<u64>,
    /// JSON Schema of the answer.
    pub schema: Option<String>,
    /// How long nothing may come before the first text.
    pub first_output_within: Duration,
}

/// One piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Chunk {
    /// More text.
    Text(String),
    /// The end.
    End(Completion),
}

/// How a generation ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// Cut at `max_tokens`.
    pub length: bool,
    /// As the backend names it.
    pub model: String,
    /// Params the backend does not know.
    pub ignored_params: Vec<String>,
    /// Tokens; the host adds the time.
    pub usage: Usage,
}

/// A model a backend can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// As the backend lists it.
    pub id: String,
    /// Room for prompt and answer, if the backend tells.
    pub context_tokens: Option<u32>,
}

/// How a backend failed at a request, in words that have nothing of what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mishap {
    /// It might take another one.
    #[error("it does not take this request")]
    Refused,
    /// Something is wrong with it.
    #[error("it reports an error of its own")]
    Broken,
    /// An answer without its end.
    #[error("its answer broke off")]
    BrokeOff,
    /// An answer that makes no sense.
    #[error("its answer cannot be read")]
    Unreadable,
    /// An answer without bounds.
    #[error("its answer is longer than was asked for")]
    TooMuch,
}

/// What to do about a backend that did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InferenceError {
    /// Not there, or not ready: try another. What it said is for the operator's log.
    #[error("the backend fails: {0}")]
    Unavailable(String),
    /// There, and unable to answer this: try another. How is anybody's to read, what it said is for the operator's log.
    #[error("the backend fails at this request: {1}")]
    Failed(Mishap, String),
    /// The prompt is over the model's room of so many tokens.
    #[error("the prompt is longer than {0} tokens")]
    TooLong(u32),
    /// This backend cannot do that.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Too slow.
    #[error("the backend was silent for too long")]
    Timeout,
}

/// A running generation. Dropping it stops the backend's work.
#[async_trait]
pub trait Stream: Send {
    /// The next piece; after [`Chunk::End`] never called again.
    async fn next(&mut self) -> Result<Chunk, InferenceError>;
}

/// A server that generates text.
#[async_trait]
pub trait Inference: Send + Sync {
    /// Its name in routes and events.
    fn id(&self) -> &str;

    /// Requests it serves at once.
    fn slots(&self) -> u32;

    /// Ready, and with which models.
    async fn models(&self) -> Result<Vec<Model>, InferenceError>;

    /// Starts a generation. Only text reaches the caller, always as a stream.
    async fn generate(&self, request: &Generation) -> Result<Box<dyn Stream>, InferenceError>;
}

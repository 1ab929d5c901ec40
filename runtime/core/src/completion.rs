//! Chat completions: what is requested of a model, and what a backend streams back.

use crate::work::Usage;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The author of a chat message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the usual three")]
pub enum ChatRole {
    System,
    User,
    Assistant,
}

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Its author.
    pub role: ChatRole,
    /// Its text.
    pub content: String,
}

/// What a backend is asked to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletionRequest {
    /// As listed by the backend.
    pub model: String,
    /// At least one.
    pub messages: Vec<ChatMessage>,
    /// Always set: every completion is bounded.
    pub max_tokens: u32,
    /// 0 to 2.
    pub temperature: Option<f32>,
    /// Above 0, up to 1.
    pub top_p: Option<f32>,
    /// At least 1.
    pub top_k: Option<u32>,
    /// -2 to 2.
    pub frequency_penalty: Option<f32>,
    /// Stop sequences.
    pub stop: Vec<String>,
    /// Best effort.
    pub seed: Option<u64>,
    /// JSON Schema of the answer.
    pub schema: Option<String>,
    /// Time until the first text has to arrive.
    pub first_output_timeout: Duration,
}

/// What a handler asks for; the host chooses the model and sets the bounds.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "as in `CompletionRequest`")]
pub struct GuestCompletionRequest {
    pub messages: Vec<ChatMessage>,
    pub max_tokens: Option<u32>,
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub top_k: Option<u32>,
    pub frequency_penalty: Option<f32>,
    pub stop: Vec<String>,
    pub seed: Option<u64>,
    pub schema: Option<String>,
}

/// One item of a completion stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Chunk {
    /// More text.
    Text(String),
    /// The end of the stream.
    End(CompletionEnd),
}

/// How a completion ended.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletionEnd {
    /// Truncated at `max_tokens`.
    pub length: bool,
    /// As named by the backend.
    pub model: String,
    /// Params that the backend does not support.
    pub ignored_params: Vec<String>,
    /// Tokens; the host adds the time.
    pub usage: Usage,
}

/// How a completion ended, as reported to the handler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionSummary {
    /// Truncated at its token limit.
    pub length: bool,
    /// The model that answered.
    pub model: String,
    /// Params that were ignored.
    pub ignored_params: Vec<String>,
    /// Tokens and time.
    pub usage: Usage,
}

/// A model that a backend serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// As listed by the backend.
    pub id: String,
    /// Context window (prompt and answer), if the backend reports it.
    pub context_tokens: Option<u32>,
}

/// Why a handler gets no completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "named as in the WIT interface `inference`, which documents them")]
pub enum GuestInferenceError {
    NoBackend,
    TooLong(u32),
    Unsupported(String),
    Timeout,
    Cancelled,
    Other(String),
}

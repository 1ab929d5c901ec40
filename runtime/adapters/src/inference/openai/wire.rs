//! The JSON of the OpenAI API, as far as it is used. No decisions here.

use pylon_core::completion::{ChatMessage, CompletionRequest, ModelInfo};
use pylon_core::ports::inference::{BackendFault, InferenceError};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A request for a streamed answer. Fields that are not set are not sent, so that strict servers
/// accept it.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    messages: &'a [ChatMessage],
    max_tokens: u32,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> Request<'a> {
    pub(super) fn of(request: &'a CompletionRequest) -> Result<Self, InferenceError> {
        let response_format = match &request.schema {
            Some(schema) => {
                let schema: serde_json::Value = serde_json::from_str(schema).map_err(|_| {
                    InferenceError::Unsupported("a schema that is not JSON".to_owned())
                })?;
                let named =
                    serde_json::json!({ "name": "answer", "strict": true, "schema": schema });
                Some(serde_json::json!({ "type": "json_schema", "json_schema": named }))
            }
            None => None,
        };
        Ok(Self {
            model: &request.model,
            messages: &request.messages,
            // Some servers read zero as "no limit".
            max_tokens: request.max_tokens.max(1),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            temperature: request.temperature,
            top_p: request.top_p,
            top_k: request.top_k,
            frequency_penalty: request.frequency_penalty,
            stop: &request.stop,
            seed: request.seed.map(fold_seed),
            response_format,
        })
    }
}

/// Servers store a seed in 32 or 63 bits, and llama.cpp uses the largest for "none". Small seeds
/// are unchanged.
fn fold_seed(seed: u64) -> u32 {
    ((seed ^ (seed >> 32)) & 0x7fff_ffff) as u32
}

/// `/v1/models`.
#[derive(Deserialize)]
pub(crate) struct ModelList {
    #[serde(default)]
    pub(crate) data: Vec<ModelEntry>,
}

#[derive(Deserialize)]
pub(crate) struct ModelEntry {
    id: String,
    #[serde(default)]
    pub(crate) owned_by: Option<String>,
    /// vLLM's field.
    #[serde(default)]
    max_model_len: Option<u32>,
    /// llama.cpp's field.
    #[serde(default)]
    meta: Option<ModelMeta>,
}

#[derive(Deserialize)]
struct ModelMeta {
    #[serde(default)]
    n_ctx: Option<u32>,
}

impl ModelEntry {
    pub(super) fn into_model(self) -> ModelInfo {
        let context = self.meta.and_then(|meta| meta.n_ctx).or(self.max_model_len);
        ModelInfo { id: self.id, context_tokens: context.filter(|tokens| *tokens > 0) }
    }
}

/// `/props` of llama.cpp.
#[derive(Deserialize)]
pub(crate) struct Props {
    pub(crate) total_slots: u32,
}

/// One event of a streamed answer. Names are borrowed from the event, which is read once per token.
#[derive(Deserialize)]
pub(super) struct StreamEvent<'a> {
    #[serde(borrow, default)]
    pub(super) model: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) choices: Vec<Choice<'a>>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    #[serde(default)]
    pub(super) timings: Option<Timings>,
    #[serde(default)]
    pub(super) error: Option<ErrorObject>,
}

/// Borrowed unless it has escapes: a plain `Option<Cow>` would always copy.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) delta: Delta,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
pub(super) struct Delta {
    #[serde(default)]
    pub(super) content: Option<String>,
    /// Reasoning: not sold, but a sign of life.
    #[serde(default)]
    pub(super) reasoning_content: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
pub(super) struct Usage {
    pub(super) prompt_tokens: u64,
    #[serde(default)]
    pub(super) completion_tokens: u64,
    #[serde(default)]
    pub(super) prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Clone, Copy, Deserialize)]
pub(super) struct PromptDetails {
    #[serde(default)]
    pub(super) cached_tokens: Option<u64>,
}

/// llama.cpp's own count: `prompt_n` excludes cached tokens.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Timings {
    #[serde(default)]
    pub(super) cache_n: u64,
    pub(super) prompt_n: u64,
    pub(super) predicted_n: u64,
}

/// The body of a refusal.
#[derive(Deserialize)]
pub(super) struct Refusal {
    pub(super) error: ErrorObject,
}

#[derive(Deserialize)]
pub(super) struct ErrorObject {
    #[serde(default)]
    pub(super) message: String,
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) n_ctx: Option<u32>,
}

impl ErrorObject {
    /// The error for the job: the prompt is too long, or the backend fails.
    pub(super) fn into_error(self) -> InferenceError {
        match (self.kind.as_deref(), self.n_ctx) {
            (Some("exceed_context_size_error"), Some(room)) => InferenceError::TooLong(room),
            _ => InferenceError::Failed(
                BackendFault::Internal,
                pylon_egress::http::shorten(&self.message),
            ),
        }
    }
}

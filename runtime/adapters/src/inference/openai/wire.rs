//! The JSON of the OpenAI API, as far as it is used. No decisions here.

use pylon_core::completion::{ChatMessage, CompletionRequest};
use pylon_core::ports::inference::InferenceError;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

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
    response_format: Option<Value>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> Request<'a> {
    /// For the model that the server lists as `model`.
    pub(super) fn of(
        request: &'a CompletionRequest,
        model: &'a str,
    ) -> Result<Self, InferenceError> {
        let response_format = match &request.schema {
            Some(schema) => {
                let schema: Value = serde_json::from_str(schema).map_err(|_| {
                    InferenceError::Unsupported("a schema that is not JSON".to_owned())
                })?;
                let named =
                    serde_json::json!({ "name": "answer", "strict": true, "schema": schema });
                Some(serde_json::json!({ "type": "json_schema", "json_schema": named }))
            }
            None => None,
        };
        Ok(Self {
            model,
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

/// `/v1/models`. Entries that cannot be read are skipped.
#[derive(Deserialize)]
pub(crate) struct ModelList {
    #[serde(default)]
    data: Vec<Value>,
}

impl ModelList {
    /// Id and context window of each model.
    pub(super) fn models(&self) -> impl Iterator<Item = (&str, Option<u32>)> {
        self.data.iter().filter_map(|entry| {
            let id = entry.get("id")?.as_str().filter(|id| !id.trim().is_empty())?;
            // llama.cpp's field, and vLLM's.
            let context = [entry.pointer("/meta/n_ctx"), entry.get("max_model_len")];
            Some((id, context.into_iter().flatten().find_map(positive)))
        })
    }

    /// The first owner of a model.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.data.iter().find_map(|entry| entry.get("owned_by")?.as_str())
    }
}

/// A number of tokens that is known.
pub(super) fn positive(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|tokens| u32::try_from(tokens).ok()).filter(|tokens| *tokens > 0)
}

/// `/props` of llama.cpp.
#[derive(Deserialize)]
pub(crate) struct Props {
    pub(crate) total_slots: u32,
}

/// One event of a streamed answer. What an answer does not need may have any form. Names are
/// borrowed from the event, which is read once per token.
#[derive(Deserialize)]
pub(super) struct StreamEvent<'a> {
    #[serde(borrow, default)]
    pub(super) model: MaybeText<'a>,
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    pub(super) usage: Value,
    #[serde(default)]
    pub(super) timings: Value,
    #[serde(default)]
    error: Value,
    /// Some servers send the fields of an error instead of choices.
    #[serde(default)]
    message: Value,
    #[serde(default)]
    detail: Value,
}

impl StreamEvent<'_> {
    /// Whether the server reports an error, in one of several forms.
    pub(super) fn is_error(&self) -> bool {
        let is_bare_error =
            self.choices.is_none() && !(is_nothing(&self.message) && is_nothing(&self.detail));
        is_bare_error || !is_nothing(&self.error)
    }
}

/// Null, false, or an empty text, list or object.
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    index: Value,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: MaybeText<'a>,
}

impl<'a> Choice<'a> {
    /// Only the first answer is sold.
    pub(super) fn is_first(&self) -> bool {
        self.index.as_u64().is_none_or(|index| index == 0)
    }

    pub(super) fn take_delta(&mut self) -> Delta<'a> {
        self.delta.take().unwrap_or_default()
    }
}

#[derive(Default, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(default)]
    pub(super) content: Option<String>,
    #[serde(borrow, default)]
    reasoning_content: MaybeText<'a>,
    #[serde(borrow, default)]
    reasoning: MaybeText<'a>,
    #[serde(borrow, default)]
    thinking: MaybeText<'a>,
}

impl Delta<'_> {
    /// Reasoning is not sold, but a sign of life. Servers differ in its name.
    pub(super) fn is_reasoning(&self) -> bool {
        [&self.reasoning_content, &self.reasoning, &self.thinking]
            .iter()
            .any(|text| text.0.as_ref().is_some_and(|text| !text.is_empty()))
    }
}

/// A text, or anything else, which is ignored. Borrowed unless it has escapes: a plain
/// `Option<Cow>` would always copy.
#[derive(Default)]
pub(super) struct MaybeText<'a>(pub(super) Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for MaybeText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MaybeTextVisitor).map(MaybeText)
    }
}

struct MaybeTextVisitor;

impl<'de> Visitor<'de> for MaybeTextVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

//! The answers of the model that the author of a case wrote down.

use super::{defaults, overlay};
use pylon_core::completion::{CompletionSummary, GuestInferenceError};
use serde::Deserialize;
use toml::Value;

/// An answer of the model.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) text: String,
    pub(super) end: Result<CompletionSummary, GuestInferenceError>,
}

impl Script {
    /// A complete answer with this text.
    pub(super) fn text(text: &str) -> Self {
        Self { text: text.to_owned(), end: Ok(defaults::summary()) }
    }

    /// A text, a table with how it ends, or a table with an error.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        const EXPECTED: &str = "an answer is a text, a table of `text`, `length`, `model`, \
                                `ignored_params`, `usage`, or a table with `error`";
        let mut table = match value {
            Value::String(text) => return Ok(Self::text(text)),
            Value::Table(table) => table.clone(),
            _ => return Err(EXPECTED.into()),
        };
        let text = match table.remove("text") {
            Some(Value::String(text)) => text,
            None => String::new(),
            Some(_) => return Err(EXPECTED.into()),
        };
        let Some(error) = table.remove("error") else {
            let end = overlay::overlay("answers", &defaults::summary(), &table)?;
            return Ok(Self { text, end: Ok(end) });
        };
        if !(table.is_empty() && text.is_empty()) {
            return Err("`answers`: an error has no text".into());
        }
        let error = GuestInferenceError::deserialize(error)
            .map_err(|error| format!("`answers.error`: {}", error.message()))?;
        Ok(Self { text, end: Err(error) })
    }
}

//! What a handler may ask of the node.

use super::completion;
use super::stats::AttemptStats;
use crate::backends::BackendRegistry;
use async_trait::async_trait;
use pylon_core::InputSource;
use pylon_core::completion::{GuestCompletionRequest, GuestInferenceError};
use pylon_core::decision::REDACTED;
use pylon_core::guest::LogLevel;
use pylon_core::input::InputError;
use pylon_core::ports::executor::{AttemptSink, AttemptSpec, AttemptUpdate};
use pylon_core::ports::guests::{GuestStream, HandlerHost};
use pylon_core::sync::lock;
use pylon_core::text::sanitize_line;
use pylon_core::work::Usage;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The host of one attempt.
pub(super) struct AttemptHost {
    pub(super) spec: AttemptSpec,
    pub(super) backends: Arc<BackendRegistry>,
    pub(super) begun: Instant,
    pub(super) updates: Arc<dyn AttemptSink>,
    pub(super) stats: Arc<Mutex<AttemptStats>>,
}

#[async_trait]
impl HandlerHost for AttemptHost {
    async fn generate(
        &self,
        request: GuestCompletionRequest,
    ) -> Result<Box<dyn GuestStream>, GuestInferenceError> {
        completion::begin(&self.backends, &self.spec, request, &self.stats).await
    }

    async fn partial(&self, text: String) -> bool {
        if self.spec.wants_partials && lock(&self.stats).partial_is_due(self.begun) {
            let permille = written_permille(text.len(), self.spec.max_output_tokens);
            self.updates.send(AttemptUpdate::Progress(permille));
            self.updates.send(AttemptUpdate::Partial(text));
        }
        true
    }

    async fn report(&self, permille: Option<u32>, note: String) -> bool {
        let note = if self.spec.job.confidential { REDACTED } else { &note };
        tracing::debug!(job = %self.spec.job.id.short(), permille, note, "progress");
        if let Some(permille) = permille {
            self.updates.send(AttemptUpdate::Progress(permille));
        }
        true
    }

    async fn read(&self, index: u32) -> Result<String, InputError> {
        let AttemptSpec { job, texts, .. } = &self.spec;
        let fetched = texts.as_ref().and_then(|texts| texts.get(index as usize));
        match (job.inputs.get(index as usize).map(|input| &input.source), fetched) {
            (Some(InputSource::Text(text)), _) | (Some(_), Some(text)) => Ok(text.clone()),
            (Some(_), None) => Err(InputError::Denied),
            (None, _) => Err(InputError::Other(format!("there is no input {index}"))),
        }
    }

    fn log(&self, level: LogLevel, message: &str) {
        if self.spec.job.confidential {
            return;
        }
        // The guest's text stays one line.
        let (job, message) = (self.spec.job.id.short(), sanitize_line(message));
        match level {
            LogLevel::Debug => tracing::debug!(job, "{message}"),
            LogLevel::Info => tracing::info!(job, "{message}"),
            LogLevel::Warn => tracing::warn!(job, "{message}"),
            LogLevel::Error => tracing::error!(job, "{message}"),
        }
    }
}

/// The share of the token limit that a text uses. It stays below 1000 until the end.
fn written_permille(bytes: usize, max_tokens: u64) -> u32 {
    let tokens = Usage::estimate(bytes as u64);
    u32::try_from(tokens.saturating_mul(1000) / max_tokens.max(1)).unwrap_or(u32::MAX).min(999)
}

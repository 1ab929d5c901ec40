//! The errors of servers: their own words, in whatever form, and what they mean for a job.

use super::wire::{is_nothing, positive};
use pylon_core::ports::inference::{BackendFault, InferenceError};
use pylon_egress::http::{read_at_most, shorten};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

const BODY_TIMEOUT: Duration = Duration::from_secs(2);
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How servers say that prompt and answer do not fit. The size follows, if it is mentioned.
const CONTEXT_PHRASES: [&str; 9] = [
    "context length",
    "context size",
    "context window",
    "context limit",
    "context is full",
    "context overflow",
    "exceeds the context",
    "maximum context",
    "maximum sequence length",
];
const PROMPT_PHRASES: [&str; 4] =
    ["prompt is too long", "prompt too long", "input is too long", "too many input tokens"];
/// Between a phrase and its number: `context length is only 2048`.
const NUMBER_DISTANCE_MAX: usize = 16;

/// An error in the server's words.
pub(super) struct ServerError {
    /// One line of limited length; empty if the server gave none.
    pub(super) words: String,
    is_overflow: bool,
    context_tokens: Option<u32>,
}

impl ServerError {
    /// From a text, which may be JSON.
    pub(super) fn of_text(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(value) => Self::of_json(&value),
            Err(_) => Self::new(text, "", None),
        }
    }

    /// From an error object, what contains one, or a text.
    pub(super) fn of_json(value: &Value) -> Self {
        let error = value.get("error").filter(|error| !is_nothing(error)).unwrap_or(value);
        let words = ["message", "detail", "error", "msg"]
            .iter()
            .filter_map(|name| error.get(name)?.as_str())
            .chain(error.as_str())
            .find(|words| !words.trim().is_empty());
        let whole = if is_nothing(error) { String::new() } else { error.to_string() };
        let kinds: Vec<_> =
            ["type", "code"].iter().filter_map(|name| error.get(name)?.as_str()).collect();
        Self::new(words.unwrap_or(&whole), &kinds.join(" "), error.get("n_ctx").and_then(positive))
    }

    fn new(words: &str, kinds: &str, n_ctx: Option<u32>) -> Self {
        let lower = words.to_lowercase();
        let is_overflow = kinds.contains("exceed_context_size")
            || kinds.contains("context_length_exceeded")
            || CONTEXT_PHRASES.iter().chain(&PROMPT_PHRASES).any(|phrase| lower.contains(phrase));
        Self {
            words: shorten(words.trim()),
            is_overflow,
            context_tokens: n_ctx.or_else(|| context_tokens(&lower)),
        }
    }

    /// The error for a job, whose prompt is too long or whose backend fails like this.
    pub(super) fn into_error(self, fault: BackendFault) -> InferenceError {
        match (self.is_overflow, self.context_tokens) {
            (true, Some(tokens)) => InferenceError::TooLong(tokens),
            (true, None) => InferenceError::Failed(BackendFault::ContextExceeded, self.words),
            (false, _) => InferenceError::Failed(fault, self.words),
        }
    }
}

/// The error for a status other than success.
pub(super) async fn refusal(response: Response, model: &str) -> InferenceError {
    let (status, retry_after) = (response.status(), retry_after(response.headers()));
    let body = match timeout(BODY_TIMEOUT, read_at_most(response, BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        _ => Vec::new(),
    };
    let mut error = match serde_json::from_slice(&body) {
        Ok(value) => ServerError::of_json(&value),
        // A page of a proxy.
        Err(_) => {
            let page = String::from_utf8_lossy(&body);
            ServerError::of_text(&format!("it answers {status}: {page}"))
        }
    };
    if body.is_empty() || error.words.is_empty() {
        error.words = format!("it answers {status}");
    }
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            InferenceError::Unauthorized(error.words)
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            InferenceError::Busy { why: error.words, retry_after }
        }
        // Otherwise the address is wrong.
        StatusCode::NOT_FOUND if error.words.to_lowercase().contains("model") => {
            InferenceError::Unsupported(format!("model {}", shorten(model)))
        }
        // Another request may succeed: the server works, but not for this request.
        StatusCode::INTERNAL_SERVER_ERROR => error.into_error(BackendFault::Internal),
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => error.into_error(BackendFault::Refused),
        _ => InferenceError::Unavailable(error.words),
    }
}

/// Seconds or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok(),
    }
}

/// The number that follows a phrase.
fn context_tokens(lower: &str) -> Option<u32> {
    CONTEXT_PHRASES.iter().find_map(|phrase| {
        let (_, after) = lower.split_once(phrase)?;
        let from =
            after.find(|c: char| c.is_ascii_digit()).filter(|it| *it <= NUMBER_DISTANCE_MAX)?;
        let digits = after.get(from..)?;
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits.get(..end)?.parse().ok().filter(|tokens| *tokens > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the server's words survive in whatever form, and an overflow is recognized. Method:
    /// each form that servers use, and words that look similar.
    #[test]
    fn words_and_their_meaning_are_found() {
        use BackendFault::{ContextExceeded, Internal};
        let failed = |fault, words: &str| InferenceError::Failed(fault, words.to_owned());
        for (text, expected) in [
            (
                r#"{"error":{"message":"slot gone","type":"server_error"}}"#,
                failed(Internal, "slot gone"),
            ),
            (r#"{"error":"no slot\nleft"}"#, failed(Internal, "no slot left")),
            (r#"{"code":500,"message":"slot gone"}"#, failed(Internal, "slot gone")),
            (
                r#"{"error":{"message":null,"code":7}}"#,
                failed(Internal, r#"{"code":7,"message":null}"#),
            ),
            (r#"{"error":null,"detail":"slot gone"}"#, failed(Internal, "slot gone")),
            (r#"{"detail":[{"msg":"bad"}]}"#, failed(Internal, r#"{"detail":[{"msg":"bad"}]}"#)),
            ("out of order", failed(Internal, "out of order")),
            ("", failed(Internal, "")),
            (
                r#"{"error":{"type":"exceed_context_size_error","message":"x","n_ctx":2048}}"#,
                InferenceError::TooLong(2048),
            ),
            (
                r#"{"error":{"code":"context_length_exceeded","message":"x"}}"#,
                failed(ContextExceeded, "x"),
            ),
            (
                "This model's maximum context length is 4096 tokens. You requested 5000",
                InferenceError::TooLong(4096),
            ),
            (
                "request (5031 tokens) exceeds the available context size (2048 tokens)",
                InferenceError::TooLong(2048),
            ),
            (
                "the request exceeds the available context size",
                failed(ContextExceeded, "the request exceeds the available context size"),
            ),
            (
                r#"{"code":500,"message":"context is full"}"#,
                failed(ContextExceeded, "context is full"),
            ),
            ("Prompt is too long", failed(ContextExceeded, "Prompt is too long")),
            ("context deadline exceeded", failed(Internal, "context deadline exceeded")),
        ] {
            assert_eq!(ServerError::of_text(text).into_error(Internal), expected, "{text}");
        }
    }
}

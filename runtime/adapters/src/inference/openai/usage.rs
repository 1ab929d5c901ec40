//! The tokens of an answer: the server's count, else llama.cpp's timings, else a marked estimate.

use pylon_core::completion::CompletionRequest;
use pylon_core::work::Usage;
use serde_json::Value;

/// Characters per token in an estimate.
const CHARS_PER_TOKEN: u64 = 4;
/// Tokens that a chat template may add to a message, and to all messages together.
const TEMPLATE_TOKENS_MAX: usize = 64;

/// Counts the tokens of one answer.
pub(super) struct TokenCounter {
    chars_in: u64,
    chars_out: u64,
    /// The most that is possible: a larger count is false, and the customer would pay for it.
    input_tokens_max: u64,
    output_tokens_max: u64,
    /// The last counts that the server reported.
    usage: Option<Usage>,
    timings: Option<Usage>,
}

impl TokenCounter {
    /// A token of text has at least one byte; templates add some tokens to each message.
    pub(super) fn new(request: &CompletionRequest) -> Self {
        let messages = request.messages.iter();
        let bytes: usize = messages
            .clone()
            .map(|message| message.content.len().saturating_add(TEMPLATE_TOKENS_MAX))
            .sum();
        let input_tokens_max = bytes.saturating_add(TEMPLATE_TOKENS_MAX);
        Self {
            chars_in: messages.map(|message| count_chars(&message.content)).sum(),
            chars_out: 0,
            input_tokens_max: u64::try_from(input_tokens_max).unwrap_or(u64::MAX),
            output_tokens_max: u64::from(request.max_tokens),
            usage: None,
            timings: None,
        }
    }

    /// More text of the answer.
    pub(super) fn add(&mut self, text: &str) {
        self.chars_out += count_chars(text);
    }

    /// Whether there was any text.
    pub(super) const fn has_text(&self) -> bool {
        self.chars_out > 0
    }

    /// The objects `usage` and `timings` of an event, if it has them. A count that has not both
    /// numbers is none.
    pub(super) fn report(&mut self, usage: &Value, timings: &Value) {
        let number = |name: &str| usage.get(name)?.as_u64();
        if let (Some(input_tokens), Some(output_tokens)) =
            (number("prompt_tokens"), number("completion_tokens"))
        {
            let cached = usage.pointer("/prompt_tokens_details/cached_tokens");
            let cached_tokens = cached.and_then(Value::as_u64).unwrap_or(0).min(input_tokens);
            let usage = Usage { input_tokens, output_tokens, cached_tokens, ..Usage::default() };
            self.usage = Some(usage);
        }
        let number = |name: &str| timings.get(name)?.as_u64();
        if let (Some(prompt), Some(output_tokens)) = (number("prompt_n"), number("predicted_n")) {
            // llama.cpp does not count cached tokens as prompt.
            let cached_tokens = number("cache_n").unwrap_or(0);
            let input_tokens = prompt.saturating_add(cached_tokens);
            let usage = Usage { input_tokens, output_tokens, cached_tokens, ..Usage::default() };
            self.timings = Some(usage);
        }
    }

    /// The count of the whole answer.
    pub(super) fn count(&self) -> Usage {
        let counted = [self.usage, self.timings].into_iter().flatten();
        counted.into_iter().find(|usage| self.is_possible(usage)).unwrap_or(Usage {
            input_tokens: self.chars_in.div_ceil(CHARS_PER_TOKEN),
            output_tokens: self.chars_out.div_ceil(CHARS_PER_TOKEN),
            estimated: true,
            ..Usage::default()
        })
    }

    /// Some servers report zeros instead of nothing.
    const fn is_possible(&self, usage: &Usage) -> bool {
        usage.input_tokens > 0
            && usage.input_tokens <= self.input_tokens_max
            && usage.output_tokens <= self.output_tokens_max
            && (usage.output_tokens > 0 || !self.has_text())
    }
}

fn count_chars(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

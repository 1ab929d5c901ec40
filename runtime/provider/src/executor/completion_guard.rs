//! One completion at a time, within the limits of the attempt.

use super::stats::AttemptStats;
use pylon_core::completion::GuestInferenceError;
use pylon_core::sync::lock;
use std::sync::{Arc, Mutex};

/// Completions of one attempt, one after the other.
const COMPLETIONS_MAX: u32 = 64;

/// The one completion that an attempt may have open: two could wait for each other's backend
/// permit.
pub(super) struct CompletionGuard {
    pub(super) stats: Arc<Mutex<AttemptStats>>,
    pub(super) tokens_left: u32,
}

impl CompletionGuard {
    pub(super) fn acquire(
        stats: &Arc<Mutex<AttemptStats>>,
        max_output_tokens: u64,
    ) -> Result<Self, GuestInferenceError> {
        let refused = |why: &str| Err(GuestInferenceError::Other(why.into()));
        let mut locked = lock(stats);
        if locked.completing {
            return refused("one completion at a time: end the other first");
        }
        if locked.completions >= COMPLETIONS_MAX {
            return refused("too many completions");
        }
        let tokens_left = max_output_tokens.saturating_sub(locked.usage.output_tokens);
        if tokens_left == 0 {
            return refused("the tokens of the offer are used up");
        }
        locked.completing = true;
        locked.completions += 1;
        let tokens_left = u32::try_from(tokens_left).unwrap_or(u32::MAX);
        Ok(Self { stats: Arc::clone(stats), tokens_left })
    }
}

impl Drop for CompletionGuard {
    fn drop(&mut self) {
        lock(&self.stats).completing = false;
    }
}

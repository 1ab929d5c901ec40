//! What the host measures during an attempt.

use pylon_core::work::{Evidence, Finish, Route, Usage};
use std::time::{Duration, Instant};

/// The first partial result is published after this, so that short jobs have none.
const FIRST_PARTIAL_DELAY: Duration = Duration::from_millis(100);
/// Between two partial results.
const PARTIAL_INTERVAL_MIN: Duration = Duration::from_millis(500);
/// Partial results of one attempt.
const PARTIALS_MAX: u32 = 120;
/// Errors of backends that one attempt records.
const BACKEND_ERRORS_MAX: usize = 8;

/// What the host measured so far.
#[derive(Default)]
pub(super) struct AttemptStats {
    /// The route that answered last.
    pub(super) route: Option<Route>,
    pub(super) usage: Usage,
    /// An answer was truncated at its limit.
    pub(super) length: bool,
    /// Time spent waiting for backends.
    pub(super) backend_time: Duration,
    /// A completion is open.
    pub(super) completing: bool,
    /// Completions begun so far.
    pub(super) completions: u32,
    /// What backends said about their errors.
    pub(super) backend_errors: Vec<String>,
    /// Partial results published.
    pub(super) partials: u32,
    last_partial: Option<Instant>,
}

impl AttemptStats {
    /// Records an error of a backend for the operator. `false`: it is the same again, as of a busy
    /// backend, or there are too many.
    pub(super) fn record_error(&mut self, backend: &str, error: &str) -> bool {
        let line = format!("{backend}: {error}");
        let is_new = self.backend_errors.len() < BACKEND_ERRORS_MAX
            && self.backend_errors.last() != Some(&line);
        if is_new {
            self.backend_errors.push(line);
        }
        is_new
    }

    /// Work without a completion counts for the route that it was priced by. If no route answered
    /// there is no evidence.
    pub(super) fn evidence(&self, attempt: u32, first: Option<Route>) -> Option<Evidence> {
        let work_ms = u64::try_from(self.backend_time.as_millis()).unwrap_or(u64::MAX);
        Some(Evidence {
            finish: if self.length { Finish::Length } else { Finish::Complete },
            checks: Vec::new(),
            usage: Usage { work_ms, ..self.usage },
            route: self.route.clone().or(first.filter(|_| self.completions == 0))?,
            attempt,
        })
    }

    /// Whether a partial result is due. If so it is counted.
    pub(super) fn partial_is_due(&mut self, begun: Instant) -> bool {
        let is_due = match self.last_partial {
            None => begun.elapsed() >= FIRST_PARTIAL_DELAY,
            Some(last) => last.elapsed() >= PARTIAL_INTERVAL_MIN,
        };
        let is_sent = is_due && self.partials < PARTIALS_MAX;
        if is_sent {
            self.partials += 1;
            self.last_partial = Some(Instant::now());
        }
        is_sent
    }
}

//! The progress of long work, as one line on a terminal. Nothing is printed to a pipe.

use crate::output::eprint;
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// The line, which is erased when dropped.
pub(crate) struct Progress {
    shown: bool,
    unit: &'static str,
    total: u64,
}

impl Progress {
    /// The expected total, which may be too low.
    pub(crate) fn new(unit: &'static str, total: u64) -> Self {
        Self { shown: std::io::stderr().is_terminal(), unit, total }
    }

    /// For work whose output goes to stdout: shown only if stdout is not a terminal.
    pub(crate) fn with_output(unit: &'static str, total: u64) -> Self {
        let progress = Self::new(unit, total);
        Self { shown: progress.shown && !std::io::stdout().is_terminal(), ..progress }
    }

    /// Shows the number of finished units.
    pub(crate) fn update(&self, done: u64) {
        if self.shown {
            // A closed stderr does not stop the work.
            let _ = write!(std::io::stderr(), "\r{done} of {} {}", self.total.max(done), self.unit);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Work of unknown length: a line with its duration on a terminal, which is erased when dropped,
/// otherwise one line at its beginning.
pub(crate) struct Elapsed {
    what: &'static str,
    started: Instant,
    is_terminal: bool,
    /// Seconds, as shown.
    shown: Option<u64>,
}

impl Elapsed {
    pub(crate) fn new(what: &'static str) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        if !is_terminal {
            eprint(what);
        }
        Self { what, started: Instant::now(), is_terminal, shown: None }
    }

    /// Shows the duration.
    pub(crate) fn update(&mut self) {
        let seconds = self.started.elapsed().as_secs();
        if self.is_terminal && self.shown.replace(seconds) != Some(seconds) {
            let _ = write!(std::io::stderr(), "\r{} ({seconds} s)", self.what);
        }
    }
}

impl Drop for Elapsed {
    fn drop(&mut self) {
        if self.is_terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

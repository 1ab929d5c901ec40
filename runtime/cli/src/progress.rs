//! How far long work is: a line on a terminal that is written over, nothing on a pipe.

use std::io::{IsTerminal, Write};

/// The line. It is gone when this is.
pub(crate) struct Progress {
    shown: bool,
    what: &'static str,
    of: u64,
}

impl Progress {
    /// About so many of what.
    pub(crate) fn new(what: &'static str, of: u64) -> Self {
        Self { shown: std::io::stderr().is_terminal(), what, of }
    }

    /// Of work that tells itself on stdout: only where that goes elsewhere.
    pub(crate) fn beside_output(what: &'static str, of: u64) -> Self {
        let progress = Self::new(what, of);
        Self { shown: progress.shown && !std::io::stdout().is_terminal(), ..progress }
    }

    /// So many are done.
    pub(crate) fn at(&self, done: u64) {
        if self.shown {
            // Nobody reads it: the work goes on.
            let _ = write!(std::io::stderr(), "\r{done} of {} {}", self.of.max(done), self.what);
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

//! The output of commands, without any character that could control a terminal. A closed stdout
//! ends a command without an error.

mod screen;
mod table;

#[cfg(test)]
pub(crate) use screen::plain;
pub(crate) use screen::{Screen, closed, paragraph, state};
pub(crate) use table::{cut, table};

use anstream::AutoStream;
use anyhow::{Result, anyhow};
use pylon_core::text::{escape_json, sanitize};
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// The reader of stdout has closed the pipe.
#[derive(Debug, thiserror::Error)]
#[error("the output was closed")]
pub(crate) struct BrokenPipe;

/// The command fails with an exit code only, because its output already says why.
#[derive(Debug, thiserror::Error)]
#[error("failed")]
pub(crate) struct SilentFailure;

/// Prints a text to stdout, with its colours if stdout shows them.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = AutoStream::auto(std::io::stdout().lock());
    match out.write_all(screen::sanitize(text).as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(BrokenPipe.into()),
        Err(error) => Err(anyhow!(error).context("cannot write to stdout")),
    }
}

/// Prints a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", escape_json(&serde_json::to_string_pretty(value)?)))
}

/// Prints a value as JSON on one line.
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", escape_json(&serde_json::to_string(value)?)))
}

/// Prints a line to stderr, wrapped on a terminal. A closed stderr is ignored.
pub(crate) fn eprint(line: &str) {
    let stderr = std::io::stderr();
    let line = screen::wrapped(screen::columns(&stderr), "", &sanitize(line));
    let _ = writeln!(&stderr, "{line}");
}

/// Prints a part of a line to stderr.
pub(crate) fn eprint_part(text: &str) {
    let _ = write!(std::io::stderr(), "{}", sanitize(text));
}

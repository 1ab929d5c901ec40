//! What a command has to say, on stdout. Whoever reads it may stop reading: that is no failure.

use anyhow::{Result, anyhow};
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// Nobody reads any more.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output")]
pub struct Unread;

/// The answer was no, and it is said already.
#[derive(Debug, thiserror::Error)]
#[error("no")]
pub struct SaidNo;

/// Says a text as it is.
pub fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Unread.into()),
        Err(error) => Err(anyhow!(error).context("cannot write to stdout")),
    }
}

/// Says a fact as indented JSON.
pub fn json(fact: &impl Serialize) -> Result<()> {
    say(&format!("{}\n", serde_json::to_string_pretty(fact)?))
}

/// A text from a stranger, in which nothing moves a cursor: control characters but for line ends and tabs are replaced.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// The same as one line.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: nothing a stranger wrote moves the operator's terminal. Method: an escape sequence and a line break.
    #[test]
    fn a_strangers_text_stays_in_its_line() {
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}

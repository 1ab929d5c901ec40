//! What a command has to say, on stdout. Whoever reads it may stop reading: that is no failure.

use anyhow::{Result, anyhow};
use pylon_core::text::sanitize_line;
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// Nobody reads any more.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output")]
pub(crate) struct Unread;

/// The answer was no, and it is said already.
#[derive(Debug, thiserror::Error)]
#[error("no")]
pub(crate) struct SaidNo;

/// Says a text as it is.
pub(crate) fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Unread.into()),
        Err(error) => Err(anyhow!(error).context("cannot write to stdout")),
    }
}

/// Says a fact as indented JSON.
pub(crate) fn json(fact: &impl Serialize) -> Result<()> {
    say(&format!("{}\n", serde_json::to_string_pretty(fact)?))
}

/// Says a line beside the output, for people: that nobody reads it stops nothing.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Rows under their heads, each column as wide as its widest cell. Heads have two spaces between them; `>` before one aligns its column to the right.
pub(crate) fn table<const N: usize>(heads: &str, rows: &[[String; N]]) -> String {
    let heads: Vec<_> = heads
        .split("  ")
        .map(|head| (head.starts_with('>'), head.trim_start_matches('>')))
        .collect();
    let cell = |row: &[String; N], column: usize| {
        row.get(column).map(|cell| sanitize_line(cell)).unwrap_or_default()
    };
    let wide = |(column, (_, head)): (usize, &(bool, &str))| {
        rows.iter()
            .map(|row| cell(row, column).chars().count())
            .max()
            .unwrap_or(0)
            .max(head.chars().count())
    };
    let widths: Vec<_> = heads.iter().enumerate().map(wide).collect();
    let line = |cells: &dyn Fn(usize) -> String| {
        let padded =
            heads.iter().zip(&widths).enumerate().map(|(column, ((is_right, _), &width))| {
                let cell = cells(column);
                if *is_right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let head =
        line(&|column| heads.get(column).map(|(_, head)| (*head).to_owned()).unwrap_or_default());
    rows.iter().map(|row| line(&|column| cell(row, column))).fold(head, |page, row| page + &row)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what belongs together is below each other, and what a stranger wrote stays in its cell. Method: cells narrower and wider than their heads.
    #[test]
    fn a_table_has_columns() {
        let rows =
            [["quote", "9", "free"], ["run\n", "12345 fuel", ""]].map(|row| row.map(String::from));
        let expected = "WHAT         COST  ANSWER\nquote           9  free\nrun    12345 fuel\n";
        assert_eq!(table("WHAT  >COST  ANSWER", &rows), expected);
        assert_eq!(table::<2>("A  >B", &[]), "A  B\n");
    }
}

//! The output of commands, without any character that could control a terminal. A closed stdout
//! ends a command without an error.

use anyhow::{Result, anyhow};
use pylon_core::text::{escape_json, sanitize, sanitize_line};
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

/// Prints a text to stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(sanitize(text).as_bytes()).and_then(|()| out.flush()) {
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

/// Prints a line to stderr. A closed stderr is ignored.
pub(crate) fn eprint(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", sanitize(line));
}

/// Prints a part of a line to stderr.
pub(crate) fn eprint_part(text: &str) {
    let _ = write!(std::io::stderr(), "{}", sanitize(text));
}

/// A table whose columns are as wide as their widest cell. Two spaces separate the headers; `>`
/// before a header aligns its column to the right.
pub(crate) fn table<const N: usize>(headers: &str, rows: &[[String; N]]) -> String {
    let headers: Vec<_> = headers
        .split("  ")
        .map(|header| (header.starts_with('>'), header.trim_start_matches('>')))
        .collect();
    let cell = |row: &[String; N], column: usize| {
        row.get(column).map(|cell| sanitize_line(cell)).unwrap_or_default()
    };
    let width = |(column, (_, header)): (usize, &(bool, &str))| {
        rows.iter()
            .map(|row| cell(row, column).chars().count())
            .max()
            .unwrap_or(0)
            .max(header.chars().count())
    };
    let widths: Vec<_> = headers.iter().enumerate().map(width).collect();
    let line = |cells: &dyn Fn(usize) -> String| {
        let padded =
            headers.iter().zip(&widths).enumerate().map(|(column, ((is_right, _), &width))| {
                let cell = cells(column);
                if *is_right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let first =
        line(&|column| headers.get(column).map(|(_, text)| (*text).to_owned()).unwrap_or_default());
    rows.iter().map(|row| line(&|column| cell(row, column))).fold(first, |page, row| page + &row)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: columns are aligned, and text from the market stays in its cell. Method: cells
    /// narrower and wider than their headers.
    #[test]
    fn columns_are_aligned() {
        let rows =
            [["quote", "9", "free"], ["run\n", "12345 fuel", ""]].map(|row| row.map(String::from));
        let expected = "WHAT         COST  ANSWER\nquote           9  free\nrun    12345 fuel\n";
        assert_eq!(table("WHAT  >COST  ANSWER", &rows), expected);
        assert_eq!(table::<2>("A  >B", &[]), "A  B\n");
    }
}

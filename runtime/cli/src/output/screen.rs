//! What a terminal shows of a text: wrapped at its width, with colours for states. To a pipe a line
//! is written as it is, and `print` removes the colours.

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use pylon_core::text;
use rustix::termios::tcgetwinsize;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use textwrap::core::display_width;
use textwrap::{Options, WordSplitter, WrapAlgorithm};
use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;

/// For a terminal that does not report its size.
const COLUMNS_DEFAULT: usize = 80;
const ROWS_DEFAULT: usize = 24;
/// The narrowest wrapped text; a deeper indentation is reduced.
const TEXT_COLUMNS_MIN: usize = 24;
const INDENT_REDUCED: usize = 4;

/// The width of a terminal; `None`: not a terminal.
pub(super) fn columns(stream: &(impl AsFd + IsTerminal)) -> Option<usize> {
    // A test that runs on a terminal sees what a pipe gets.
    if cfg!(test) || !stream.is_terminal() {
        return None;
    }
    let columns = tcgetwinsize(stream).map_or(0, |size| usize::from(size.ws_col));
    Some(if columns == 0 { COLUMNS_DEFAULT } else { columns })
}

/// One line that begins with `head`; on a terminal it is wrapped, and its further lines begin below
/// the text.
pub(crate) fn paragraph(head: &str, text: &str) -> String {
    format!("{}\n", wrapped(columns(&std::io::stdout()), head, text))
}

/// Breaks a text between words only, so that a key or an address can be copied.
pub(super) fn wrapped(columns: Option<usize>, head: &str, text: &str) -> String {
    let Some(columns) = columns else { return format!("{head}{text}") };
    let indent = display_width(head);
    let (first, longest) = (text.split(' ').next(), text.split(' ').map(display_width).max());
    let is_narrow = indent + longest.unwrap_or(0).max(TEXT_COLUMNS_MIN) > columns;
    let is_below = indent > INDENT_REDUCED && indent + first.map_or(0, display_width) > columns;
    let below = " ".repeat(if is_narrow { INDENT_REDUCED.min(indent) } else { indent });
    let (above, head) =
        if is_below { (format!("{}\n", head.trim_end()), &*below) } else { (String::new(), head) };
    let options = Options::new(columns)
        .initial_indent(head)
        .subsequent_indent(&below)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    above + &textwrap::fill(text, options)
}

/// Resolves when the reader of stdout has closed the pipe; never for a file.
pub(crate) async fn closed() {
    let stdout = std::io::stdout().as_fd().try_clone_to_owned();
    match stdout.and_then(Sender::from_owned_fd_unchecked) {
        Ok(stdout) => drop(stdout.ready(Interest::ERROR).await),
        Err(_) => std::future::pending().await,
    }
}

/// A terminal on stdout that is redrawn.
pub(crate) struct Screen;

impl Screen {
    /// `None`: stdout is not a terminal.
    pub(crate) fn open() -> Option<Self> {
        std::io::stdout().is_terminal().then_some(Self)
    }

    /// Replaces what the terminal shows with the beginning of this text.
    pub(crate) fn redraw(&self, text: &str) -> Result<()> {
        let rows = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_row));
        let rows = if rows == 0 { ROWS_DEFAULT } else { rows };
        let lines: Vec<_> = text.lines().take(rows.saturating_sub(1)).collect();
        // The cursor to the first line; these are not colours, so they are never removed.
        write_raw("\x1b[H")?;
        lines
            .iter()
            .try_for_each(|line| super::print(line).and_then(|()| write_raw("\x1b[K\r\n")))?;
        write_raw("\x1b[J")
    }
}

fn write_raw(control: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    Ok(stdout.write_all(control.as_bytes()).and_then(|()| stdout.flush())?)
}

/// Green is done, yellow needs attention, red failed, cyan runs, and the rest is not there.
const STYLES: [Style; 5] = [
    AnsiColor::Green.on_default(),
    AnsiColor::Yellow.on_default(),
    AnsiColor::Red.on_default(),
    AnsiColor::Cyan.on_default(),
    Style::new().dimmed(),
];

/// The name of a state in its colour.
pub(crate) fn state(name: &str) -> String {
    let [green, yellow, red, cyan, dimmed] = STYLES;
    let style = match name {
        "ok" | "Running" | "available" | "default" | "completed" | "delivered" | "paid"
        | "done" | "equal" => green,
        "warning" | "Starting" | "Not running" | "awaiting_payment" | "in_review" | "held"
        | "refund_due" | "expired" => yellow,
        "broken" | "failed" | "unpaid" | "not available" | "not connected" => red,
        "processing" => cyan,
        "none" | "cancelled" => dimmed,
        _ => return name.into(),
    };
    format!("{style}{name}{style:#}")
}

/// Replaces what could control a terminal, except for the colours of states.
pub(super) fn sanitize(page: &str) -> String {
    let mut clean = String::new();
    let (mut parts, styles) = (page.split('\u{1b}'), styles());
    clean += &text::sanitize(parts.next().unwrap_or_default());
    for part in parts {
        let style = styles.iter().find(|style| part.starts_with(&***style));
        let style = style.map_or("", String::as_str);
        clean.push(if style.is_empty() { char::REPLACEMENT_CHARACTER } else { '\u{1b}' });
        clean += style;
        clean += &text::sanitize(part.strip_prefix(style).unwrap_or(part));
    }
    clean
}

/// What follows the escape character in a style, and at its end.
fn styles() -> Vec<String> {
    let sequences = STYLES.iter().flat_map(|style| [format!("{style}"), format!("{style:#}")]);
    sequences.map(|sequence| sequence.trim_start_matches('\u{1b}').to_owned()).collect()
}

/// A text without its colours.
#[cfg(test)]
pub(crate) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: text cannot control the terminal, and states keep their colours. Method: both in one
    /// line.
    #[test]
    fn only_colours_of_states_are_kept() {
        let line = format!("{} \u{1b}[2J {}", state("failed"), state("none"));
        let expected = "\u{1b}[31mfailed\u{1b}[0m \u{fffd}[2J \u{1b}[2mnone\u{1b}[0m";
        assert_eq!(sanitize(&line), expected);
    }

    /// Goal: text is wrapped between words, below its beginning, and only on a terminal. Method:
    /// widths around the text, and a word that is too long.
    #[test]
    fn text_is_wrapped_between_words() {
        let hint = "run `pylon doctor --json`";
        assert_eq!(wrapped(None, "hint: ", hint), "hint: run `pylon doctor --json`");
        assert_eq!(wrapped(Some(31), "hint: ", hint), "hint: run `pylon doctor --json`");
        assert_eq!(wrapped(Some(30), "hint: ", hint), "hint: run `pylon doctor\n      --json`");
        let key = "f".repeat(64);
        assert_eq!(wrapped(Some(69), "key  ", &key), format!("key  {key}"));
        for columns in [40, 68] {
            assert_eq!(wrapped(Some(columns), "key  ", &key), format!("key\n    {key}"));
        }
        assert_eq!(
            wrapped(Some(20), "a head ", "one two three four"),
            "a head one two three\n    four"
        );
    }
}

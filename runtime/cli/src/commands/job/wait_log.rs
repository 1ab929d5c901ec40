//! What stderr shows during a wait: lines, and the text of one provider as it comes.

use super::display;
use crate::output::{eprint, eprint_part};
use pylon_core::PublicKey;
use pylon_core::text::sanitize;
use pylon_nostr::identity::npub_of;

/// Lines printed during one wait, because a provider may send any number of messages.
const LINES_MAX: usize = 200;
/// Bytes of streamed text.
const STREAM_BYTES_MAX: usize = 4 << 20;
/// The characters after these decide what they are.
const UNDECIDED: [char; 3] = ['\r', '\u{200c}', '\u{200d}'];

/// Prints messages during the wait.
pub(super) struct WaitLog {
    is_quiet: bool,
    lines: usize,
    stream: Option<Stream>,
}

/// The partial results of the first provider that sent one.
struct Stream {
    provider: PublicKey,
    /// The sanitized text so far.
    shown: String,
    /// The cursor is in a line of text.
    is_open: bool,
}

impl Stream {
    /// Adds a partial result, and returns the part that is not shown yet.
    fn add(&mut self, content: &str) -> String {
        let text = sanitize(content.trim_end_matches(UNDECIDED));
        let new = match text.strip_prefix(&self.shown) {
            Some(new) => new,
            // An older message.
            None if self.shown.starts_with(&text) => "",
            None => &text,
        };
        let is_over = self.shown.len().saturating_add(new.len()) > STREAM_BYTES_MAX;
        let new = if is_over { "" } else { new };
        self.shown.push_str(new);
        if !new.is_empty() {
            self.is_open = !new.ends_with('\n');
        }
        new.to_owned()
    }
}

impl WaitLog {
    pub(super) fn new(is_quiet: bool) -> Self {
        Self { is_quiet, lines: 0, stream: None }
    }

    pub(super) fn line(&mut self, line: &str) {
        if self.is_quiet {
            return;
        }
        self.end_line();
        self.lines = self.lines.saturating_add(1);
        match self.lines {
            LINES_MAX => eprint("Further messages are not shown."),
            count if count < LINES_MAX => eprint(line),
            _ => {}
        }
    }

    /// Shows a partial result: all text so far or, from some providers, only the new part.
    pub(super) fn partial(&mut self, provider: PublicKey, content: &str) {
        if self.is_quiet {
            return;
        }
        if self.stream.is_none() {
            self.line(&format!("{}  partial:", npub_of(provider)));
        }
        let empty = || Stream { provider, shown: String::new(), is_open: false };
        let stream = self.stream.get_or_insert_with(empty);
        if stream.provider == provider {
            eprint_part(&stream.add(content));
        }
    }

    /// A message that is not the answer.
    pub(super) fn ignored(&mut self, what: &str, provider: PublicKey, why: &str) {
        let (provider, why) = (npub_of(provider), display::clip(why));
        self.line(&format!("pylon: ignored {what} from {provider}: {why}"));
    }

    /// The text that was streamed, for a result that continues it on the same terminal.
    pub(super) fn take_streamed(&mut self) -> String {
        self.stream.take().map(|stream| stream.shown).unwrap_or_default()
    }

    fn end_line(&mut self) {
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.is_open) {
            stream.is_open = false;
            eprint("");
        }
    }
}

impl Drop for WaitLog {
    fn drop(&mut self) {
        self.end_line();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every word is shown once, and no more than the limit. Method: partial results that
    /// repeat the text so far, that only continue it, that are late, that end within a line break,
    /// and that are too long.
    #[test]
    fn each_word_is_streamed_once() {
        let most = "x".repeat(STREAM_BYTES_MAX);
        let more = format!("{most}y");
        for (partials, expected) in [
            (&["a ", "a b ", "a b c"][..], "a b c"),
            (&["a ", "b ", "c"], "a b c"),
            (&["a b c", "a b "], "a b c"),
            (&["a\r", "a\r\nb"], "a\nb"),
            (&["", ""], ""),
            (&[most.as_str(), more.as_str()], most.as_str()),
            (&[more.as_str()], ""),
        ] {
            let provider = PublicKey::from_bytes([1; 32]);
            let mut stream = Stream { provider, shown: String::new(), is_open: false };
            let shown: String = partials.iter().map(|partial| stream.add(partial)).collect();
            assert!(shown == expected && stream.shown == expected, "{}", partials.len());
        }
    }
}

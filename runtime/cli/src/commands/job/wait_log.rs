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
        let text = sanitize(content.trim_end_matches(UNDECIDED));
        let empty = || Stream { provider, shown: String::new(), is_open: false };
        let stream = self.stream.get_or_insert_with(empty);
        let new = match text.strip_prefix(&stream.shown) {
            Some(new) => new,
            // An older message.
            None if stream.shown.starts_with(&text) => return,
            None => &text,
        };
        let is_over = stream.shown.len().saturating_add(new.len()) > STREAM_BYTES_MAX;
        if stream.provider == provider && !is_over && !new.is_empty() {
            eprint_part(new);
            stream.shown.push_str(new);
            stream.is_open = !new.ends_with('\n');
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

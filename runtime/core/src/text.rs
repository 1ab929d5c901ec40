//! Text of other parties (relays, providers, customers, model servers, guests, wallets) on its way
//! to a terminal, a log, a message or JSON.
//!
//! Shown are letters, marks, numbers, punctuation, symbols and the space, by their Unicode general
//! category. Everything else could move the cursor, reorder or hide what stands around it, and is
//! replaced by U+FFFD. ZWJ and ZWNJ remain where scripts and emoji need them: between two letters,
//! marks or symbols outside ASCII.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory as Category;
use std::fmt::Write as _;

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// A text of several lines: line breaks of any form are `\n`, and tabs remain.
pub fn sanitize(text: &str) -> String {
    replace(text, '\n', '\t')
}

/// A text on one line: line breaks and tabs are spaces.
pub fn sanitize_line(text: &str) -> String {
    replace(text, ' ', ' ')
}

/// The beginning of a text on one line, with at most this many characters; `…` if it is cut.
pub fn excerpt(text: &str, chars_max: usize) -> String {
    let line = sanitize_line(text);
    match line.char_indices().nth(chars_max) {
        Some(_) => line.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
        None => line,
    }
}

/// The same JSON value, without a character that [`sanitize`] would replace: such are `\uXXXX`.
pub fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_shown(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// A text file without the byte order mark that some editors write before it.
pub fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn replace(text: &str, line_break: char, tab: char) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut before, mut chars) = (None, text.chars().peekable());
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        shown.push(match c {
            '\r' if next == Some('\n') => continue,
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => line_break,
            '\t' => tab,
            ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER if joins(before) && joins(next) => c,
            _ if is_shown(c) => c,
            _ if category(c) == Category::SpaceSeparator => ' ',
            _ => char::REPLACEMENT_CHARACTER,
        });
        before = Some(c);
    }
    shown
}

fn is_shown(c: char) -> bool {
    match category(c) {
        Category::Control
        | Category::Format
        | Category::PrivateUse
        | Category::Surrogate
        | Category::Unassigned
        | Category::LineSeparator
        | Category::ParagraphSeparator => false,
        Category::SpaceSeparator => c == ' ',
        _ => true,
    }
}

/// Do characters around it join this one, in some script or emoji?
fn joins(c: Option<char>) -> bool {
    c.is_some_and(|c| {
        let kind = category(c);
        !c.is_ascii()
            && (c.is_alphabetic()
                || matches!(
                    kind,
                    Category::NonspacingMark
                        | Category::SpacingMark
                        | Category::EnclosingMark
                        | Category::OtherSymbol
                        | Category::ModifierSymbol
                ))
    })
}

fn category(c: char) -> Category {
    CodePointMapData::<Category>::new().get(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: untrusted text cannot control the terminal, reorder a line, or hide a part of it, and
    /// readable text stays as it is. Method: text, its lines, and it on one line, per row.
    #[test]
    fn only_visible_characters_are_shown() {
        for (text, lines, line) in [
            ("a\u{1b}[2Jb\n\tc", "a\u{fffd}[2Jb\n\tc", "a\u{fffd}[2Jb  c"),
            ("CRLF\r\nCR\rend", "CRLF\nCR\nend", "CRLF CR end"),
            ("\u{85}\u{2028}\u{2029}", "\n\n\n", "   "),
            ("\u{9b}31m\0\u{7f}", "\u{fffd}31m\u{fffd}\u{fffd}", "\u{fffd}31m\u{fffd}\u{fffd}"),
            (
                "\u{202e}1\u{2066}2\u{200f}",
                "\u{fffd}1\u{fffd}2\u{fffd}",
                "\u{fffd}1\u{fffd}2\u{fffd}",
            ),
            ("\u{feff}\u{ad}\u{200b}", "\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}\u{fffd}"),
            ("\u{e000}\u{e0041}\u{378}", "\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}\u{fffd}\u{fffd}"),
            ("a\u{a0}b\u{3000}c", "a b c", "a b c"),
            ("pay\u{200d}pal \u{200c}", "pay\u{fffd}pal \u{fffd}", "pay\u{fffd}pal \u{fffd}"),
            ("👩‍🚀 ❤️‍🔥 می‌خواهم क्‍ष", "👩‍🚀 ❤️‍🔥 می‌خواهم क्‍ष", "👩‍🚀 ❤️‍🔥 می‌خواهم क्‍ष"),
            ("Zażółć 100 % € 汉字 é", "Zażółć 100 % € 汉字 é", "Zażółć 100 % € 汉字 é"),
        ] {
            assert_eq!(
                (sanitize(text), sanitize_line(text)),
                (lines.into(), line.into()),
                "{text:?}"
            );
            assert_eq!(
                sanitize(&sanitize(text)),
                sanitize(text),
                "twice changes nothing: {text:?}"
            );
        }
    }

    /// Goal: JSON shows no such character either, and keeps its value. Method: indented JSON with
    /// one of each kind, parsed again.
    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({"a\u{9b}": "\u{202e}\u{2028}\u{7f}\u{e0041}\u{200d} é\n"});
        let text = escape_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.contains(r#""\u202e\u2028\u007f\udb40\udc41\u200d é\n""#), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    /// Goal: a cut text ends in an ellipsis. Method: one character below, at and above the limit.
    #[test]
    fn cut_text_ends_in_an_ellipsis() {
        assert_eq!(["ab", "abc", "abcd"].map(|text| excerpt(text, 3)), ["ab", "abc", "ab…"]);
    }
}

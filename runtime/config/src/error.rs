//! An error in a TOML file, as one line: its position and what was expected instead.

use pylon_core::settings::{InvalidSetting, nearest};
use std::fmt;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Keys of later versions, which operators may already know from the documents.
const LATER: [&str; 3] = ["codex", "mining", "wallet"];

/// Displayed as `LINE: MESSAGE`.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    line: usize,
    message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.line, self.message)
    }
}

impl ConfigError {
    /// The text is not TOML, a key is unknown, or a value has the wrong type.
    pub fn syntax(text: &str, error: &toml::de::Error) -> Self {
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        let parsed = DeTable::parse(text).ok();
        let table = parsed
            .as_ref()
            .zip(error.span())
            .and_then(|(table, span)| table_at(table.get_ref(), span.start));
        Self {
            line: line(text, error.span()),
            message: unknown_key(&message, table).unwrap_or_else(|| plain_types(&message)),
        }
    }

    /// A section rejects the value of a key.
    pub fn value(text: &str, invalid: InvalidSetting) -> Self {
        Self { line: line(text, span_of(text, &invalid.key)), message: invalid.message }
    }

    /// An error at this place.
    pub(crate) fn at(text: &str, span: Range<usize>, message: String) -> Self {
        Self { line: line(text, Some(span)), message }
    }

    /// This top-level key belongs to no section.
    pub(crate) fn unknown<'a>(
        text: &str,
        span: Range<usize>,
        key: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        Self { line: line(text, Some(span)), message: unknown_message(key, "", known) }
    }
}

/// From serde's message: "unknown field `x`, expected one of `a`, `b`". `table` is empty at the top
/// level.
fn unknown_key(message: &str, table: Option<Vec<&str>>) -> Option<String> {
    let (key, known) = message.strip_prefix("unknown field `")?.split_once('`')?;
    let location = table
        .filter(|table| !table.is_empty())
        .map(|table| format!(" in [{}]", path(&table)))
        .unwrap_or_default();
    Some(unknown_message(key, &location, known.split('`').skip(1).step_by(2)))
}

fn unknown_message<'a>(
    key: &str,
    location: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
    if LATER.contains(&key) {
        return format!("`{key}` is not supported by this version: remove it");
    }
    format!("unknown key `{key}`{location}; {}", nearest(key, known))
}

/// The path to the table that has a key at this position.
fn table_at<'a>(table: &'a DeTable<'_>, start: usize) -> Option<Vec<&'a str>> {
    if table.keys().any(|key| key.span().start == start) {
        return Some(Vec::new());
    }
    table.iter().find_map(|(key, value)| {
        let DeValue::Table(inner) = value.get_ref() else { return None };
        let mut path = table_at(inner, start)?;
        path.insert(0, key.get_ref());
        Some(path)
    })
}

/// A dotted key as written in the file: `inference.llama_cpp.url`.
pub(crate) fn path(parts: &[impl AsRef<str>]) -> String {
    let is_bare =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let part = |part: &str| if is_bare(part) { part.to_owned() } else { format!("\"{part}\"") };
    parts.iter().map(|one| part(one.as_ref())).collect::<Vec<_>>().join(".")
}

/// Replaces names of Rust types, which operators do not know.
fn plain_types(message: &str) -> String {
    const REPLACEMENTS: [(&str, &str); 5] = [
        ("expected u32", "expected a whole number"),
        ("expected u64", "expected a whole number"),
        ("expected a sequence", "expected a list such as [\"…\"]"),
        ("expected a map", "expected a table"),
        ("invalid value: ", "out of range: "),
    ];
    if let Some((found, _)) = message.split_once("expected struct ") {
        return format!("{found}expected a table");
    }
    REPLACEMENTS.iter().fold(message.to_owned(), |message, (from, to)| message.replace(from, to))
}

fn line(text: &str, span: Option<Range<usize>>) -> usize {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// The position of this key, or of the deepest table on the path to it.
fn span_of(text: &str, keys: &[String]) -> Option<Range<usize>> {
    let parsed = DeTable::parse(text).ok()?;
    let mut table = parsed.get_ref();
    let mut found = None;
    for wanted in keys {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == wanted.as_str())
        else {
            break;
        };
        found = Some(key.span());
        let DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    found
}

//! A mistake in the file, told in one line: where it is and what was expected instead.

use std::fmt;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// What operators read of elsewhere, and look for here.
const LATER: [&str; 3] = ["codex", "mining", "wallet"];

/// As `line: what`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    line: usize,
    what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.line, self.what)
    }
}

impl Mistake {
    /// The text is no TOML, or a key or the type of its value is not ours.
    pub(crate) fn of_form(text: &str, error: &toml::de::Error) -> Self {
        let said = error.message().lines().collect::<Vec<_>>().join("; ");
        let parsed = DeTable::parse(text).ok();
        let table = parsed
            .as_ref()
            .zip(error.span())
            .and_then(|(table, span)| table_at(table.get_ref(), span.start));
        Self {
            line: line(text, error.span()),
            what: unknown_key(&said, table).unwrap_or_else(|| in_our_words(&said)),
        }
    }

    /// The value of this key makes no sense.
    pub(crate) fn at_key(text: &str, keys: &[&str], what: String) -> Self {
        Self { line: line(text, span_of(text, keys)), what }
    }
}

/// A hint at the name that was meant, or at all that there are.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    match closest(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "there is {}",
            names.map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The name that was meant, if one is near enough.
pub(crate) fn closest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let measured = names.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (distance, near) = measured.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2.max(name.len() / 3)).then_some(near)
}

/// Serde's words: "unknown field `x`, expected one of `a`, `b`". Outside of all tables `table` is empty.
fn unknown_key(said: &str, table: Option<Vec<&str>>) -> Option<String> {
    let (key, known) = said.strip_prefix("unknown field `")?.split_once('`')?;
    if LATER.contains(&key) {
        return Some(format!("`{key}` is not in this version yet: leave it out"));
    }
    let place = table
        .filter(|table| !table.is_empty())
        .map(|table| format!(" in [{}]", path(&table)))
        .unwrap_or_default();
    Some(format!(
        "unknown key `{key}`{place}; {}",
        nearest(key, known.split('`').skip(1).step_by(2))
    ))
}

/// The names on the way to the table whose key begins there.
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

/// A key as a file would say it: `inference.llama_cpp.url`.
pub(super) fn path(parts: &[impl AsRef<str>]) -> String {
    let is_bare =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let part = |part: &str| if is_bare(part) { part.to_owned() } else { format!("\"{part}\"") };
    parts.iter().map(|one| part(one.as_ref())).collect::<Vec<_>>().join(".")
}

/// Rust's names of types mean nothing to an operator.
fn in_our_words(said: &str) -> String {
    const WORDS: [(&str, &str); 5] = [
        ("expected u32", "expected a whole number"),
        ("expected a sequence", "expected a list such as [\"…\"]"),
        ("expected a map", "expected a table"),
        ("expected struct ", "expected a table for "),
        ("invalid value: ", "out of range: "),
    ];
    WORDS.iter().fold(said.to_owned(), |said, (theirs, ours)| said.replace(theirs, ours))
}

fn line(text: &str, span: Option<Range<usize>>) -> usize {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// Where the file names this key, or the deepest table on the way to it.
fn span_of(text: &str, keys: &[&str]) -> Option<Range<usize>> {
    let parsed = DeTable::parse(text).ok()?;
    let mut table = parsed.get_ref();
    let mut found = None;
    for wanted in keys {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == wanted) else {
            break;
        };
        found = Some(key.span());
        let DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    found
}

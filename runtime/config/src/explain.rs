//! Each setting with its key, its effective value and the line of the file that sets it.

use crate::error::path;
use serde::Serialize;
use toml::de::{DeTable, DeValue};

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EffectiveSetting {
    /// The dotted key as written in the file: `inference.llama_cpp.url`.
    pub key: String,
    /// The value as TOML.
    pub value: String,
    /// The line of the file that sets it; `None` for a default.
    pub line: Option<usize>,
}

/// The keys whose values differ, sorted.
pub fn differences(one: &toml::Table, other: &toml::Table) -> Vec<String> {
    let (ones, others) = (leaves(one), leaves(other));
    let mut keys: Vec<_> =
        ones.iter().filter(|leaf| !others.contains(leaf)).map(Leaf::key).collect();
    keys.extend(others.iter().filter(|leaf| !ones.contains(leaf)).map(Leaf::key));
    keys.sort();
    keys.dedup();
    keys
}

/// Every setting with its effective value, and the line of `text` that sets it.
pub fn explain(settings: &toml::Table, text: &str) -> Vec<EffectiveSetting> {
    let parsed = DeTable::parse(text).ok();
    let line = |path: &[String]| {
        let start = find(parsed.as_ref()?.get_ref(), path)?;
        Some(text.get(..start)?.matches('\n').count() + 1)
    };
    let leaves = leaves(settings).into_iter();
    leaves
        .map(|leaf| EffectiveSetting {
            key: leaf.key(),
            line: line(&leaf.path),
            value: leaf.value.to_string(),
        })
        .collect()
}

#[derive(PartialEq)]
struct Leaf {
    path: Vec<String>,
    value: toml::Value,
}

impl Leaf {
    fn key(&self) -> String {
        path(&self.path)
    }
}

fn leaves(settings: &toml::Table) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    collect(&mut Vec::new(), toml::Value::Table(settings.clone()), &mut leaves);
    leaves
}

fn collect(path: &mut Vec<String>, value: toml::Value, leaves: &mut Vec<Leaf>) {
    let toml::Value::Table(table) = value else {
        return leaves.push(Leaf { path: path.clone(), value });
    };
    for (key, value) in table {
        path.push(key);
        collect(path, value, leaves);
        path.pop();
    }
}

/// The position at which the text sets this key.
fn find(table: &DeTable<'_>, path: &[String]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    match value.get_ref() {
        _ if rest.is_empty() => Some(key.span().start),
        DeValue::Table(inner) => find(inner, rest),
        _ => None,
    }
}

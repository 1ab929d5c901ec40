//! The settings one by one: what each is called, what holds, and where that comes from.

use super::{Config, mistake};
use serde::Serialize;
use toml::de::{DeTable, DeValue};

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// As the file would say it: `inference.llama_cpp.url`.
    pub key: String,
    /// As TOML.
    pub value: String,
    /// The line of the file that says so; `None` for the default.
    pub line: Option<usize>,
}

impl Config {
    /// The settings that differ.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (leaves(self), leaves(other));
        let differ = |leaf: &&Leaf, others: &[Leaf]| !others.contains(leaf);
        let mut keys: Vec<_> =
            ours.iter().filter(|leaf| differ(leaf, &theirs)).map(Leaf::key).collect();
        keys.extend(theirs.iter().filter(|leaf| differ(leaf, &ours)).map(Leaf::key));
        keys.sort();
        keys.dedup();
        keys
    }

    /// Every setting that holds, with its origin in this text.
    pub(crate) fn explained(&self, text: &str) -> Vec<Setting> {
        let parsed = DeTable::parse(text).ok();
        let line = |path: &[String]| {
            let span = find(parsed.as_ref()?.get_ref(), path)?;
            Some(text.get(..span)?.matches('\n').count() + 1)
        };
        leaves(self)
            .into_iter()
            .map(|leaf| Setting {
                key: leaf.key(),
                line: line(&leaf.path),
                value: leaf.value.to_string(),
            })
            .collect()
    }
}

#[derive(PartialEq)]
struct Leaf {
    path: Vec<String>,
    value: toml::Value,
}

impl Leaf {
    fn key(&self) -> String {
        mistake::path(&self.path)
    }
}

fn leaves(config: &Config) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    if let Ok(table) = toml::Table::try_from(config) {
        collect(&mut Vec::new(), toml::Value::Table(table), &mut leaves);
    }
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

/// Where a key is named, if the text names it.
fn find(table: &DeTable<'_>, path: &[String]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    match value.get_ref() {
        _ if rest.is_empty() => Some(key.span().start),
        DeValue::Table(inner) => find(inner, rest),
        _ => None,
    }
}

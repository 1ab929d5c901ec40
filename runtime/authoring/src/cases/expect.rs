//! What an answer must be: exact values, ranges, or parts of a text, by the name of what was
//! answered.

use super::answer::{CaseAnswer, names};
use pylon_core::guest::GuestFunction;
use pylon_core::settings::{nearest, one_of};
use serde::Deserialize;
use toml::{Table, Value};

/// The table `expect` of a case.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Expected(Table);

impl Expected {
    /// Refuses names that no answer of this function has, and conditions that do not exist.
    pub(super) fn check(&self, function: GuestFunction) -> Result<(), String> {
        let names = names(function);
        let known = || names.iter().map(String::as_str);
        if self.0.is_empty() {
            return Err(format!("`expect` is empty; {}", one_of(known())));
        }
        for (name, value) in &self.0 {
            if !known().any(|known| known == name) {
                let hint = nearest(name, known());
                return Err(format!("`{function}` has no `{name}` in its answer; {hint}"));
            }
            if name != "attributes" {
                Condition::all(value).map_err(|why| format!("`expect.{name}`: {why}"))?;
            }
        }
        Ok(())
    }

    /// The expectations that are not met, one line each.
    pub(super) fn unmet(&self, answer: &CaseAnswer) -> Vec<String> {
        self.0
            .iter()
            .filter_map(|(name, value)| unmet(name, value, answer.get(name.as_str())))
            .collect()
    }
}

fn unmet(name: &str, value: &Value, found: Option<&Value>) -> Option<String> {
    let Some(found) = found else {
        return Some(format!("expected {name} {}, found none", as_written(value)));
    };
    if let (Value::Table(found), Value::Table(values)) = (found, value) {
        let inner = |(key, value): (&String, &Value)| {
            unmet(&format!("{name}.{key}"), value, found.get(key))
        };
        return values.iter().find_map(inner);
    }
    let is_met = Condition::all(value).is_ok_and(|all| all.iter().all(|one| one.is_met(found)));
    (!is_met).then(|| format!("expected {name} {}, found {}", as_written(value), as_written(found)))
}

fn as_written(value: &Value) -> String {
    value.to_string().trim().replace('\n', " ")
}

enum Condition<'a> {
    Equal(&'a Value),
    AtLeast(i64),
    AtMost(i64),
    Contains(&'a str),
}

impl<'a> Condition<'a> {
    /// A plain value is one condition, a table has one for each key.
    fn all(value: &'a Value) -> Result<Vec<Self>, String> {
        let Value::Table(table) = value else { return Ok(vec![Self::Equal(value)]) };
        let one = |(key, value): (&'a String, &'a Value)| match (key.as_str(), value) {
            ("at_least", Value::Integer(number)) => Ok(Self::AtLeast(*number)),
            ("at_most", Value::Integer(number)) => Ok(Self::AtMost(*number)),
            ("contains", Value::String(text)) => Ok(Self::Contains(text)),
            ("at_least" | "at_most", _) => Err(format!("`{key}` is a whole number")),
            ("contains", _) => Err("`contains` is a text".into()),
            _ => {
                let hint = nearest(key, ["at_least", "at_most", "contains"].into_iter());
                Err(format!("there is no condition `{key}`; {hint}"))
            }
        };
        table.iter().map(one).collect()
    }

    fn is_met(&self, found: &Value) -> bool {
        match (self, found) {
            (Self::Equal(value), _) => *value == found,
            (Self::AtLeast(least), Value::Integer(number)) => number >= least,
            (Self::AtMost(most), Value::Integer(number)) => number <= most,
            (Self::Contains(part), Value::String(text)) => text.contains(part),
            _ => false,
        }
    }
}

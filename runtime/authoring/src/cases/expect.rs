//! What an answer must be: exact values, ranges, or parts of a text, by the name of what was answered.

use pylon_core::guest::GuestFunction;
use pylon_core::settings::nearest;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use toml::Value;

/// The table `expect` of a case.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Expected(BTreeMap<String, Value>);

/// What was answered, by name.
pub(super) type Facts = BTreeMap<&'static str, Fact>;

/// Something that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Number(i128),
    Text(String),
    List(Vec<Fact>),
    Named(BTreeMap<String, Fact>),
}

impl From<u64> for Fact {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(facts) => write!(
                f,
                "[{}]",
                facts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
            Self::Named(facts) => {
                let facts = facts.iter().map(|(name, fact)| format!("{name} = {fact}"));
                write!(f, "{{ {} }}", facts.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// What every answer has.
const OF_ALL: [&str; 1] = ["fault"];
const OF_POLICIES: [&str; 1] = ["fuel"];
const OF_REFUSALS: [&str; 3] = ["refused", "words", "lowest_msat"];
const OF_OFFERS: [&str; 8] = [
    "terms",
    "price_msat",
    "cap_msat",
    "max_output_tokens",
    "max_work_ms",
    "valid_seconds",
    "priority",
    "note",
];
const OF_RUNS: [&str; 10] = [
    "content",
    "mime",
    "attributes",
    "error",
    "words",
    "cpu_us",
    "generations",
    "prompt",
    "partials",
    "log",
];

/// The names that an answer to this can have.
fn names(function: GuestFunction) -> Vec<&'static str> {
    let own: Vec<&[&str]> = match function {
        GuestFunction::Quote => vec![&OF_OFFERS, &OF_REFUSALS, &OF_POLICIES],
        GuestFunction::Settle => vec![&["due_msat"], &OF_POLICIES],
        GuestFunction::Rank => vec![&["order", "first", "note"], &OF_REFUSALS, &OF_POLICIES],
        GuestFunction::Judge => vec![&["verdict", "reason"], &OF_POLICIES],
        GuestFunction::Run => vec![&OF_RUNS],
    };
    own.into_iter().flatten().chain(&OF_ALL).copied().collect()
}

impl Expected {
    /// Is all of it something that could be answered?
    pub(super) fn check(&self, function: GuestFunction) -> Result<(), String> {
        let names = names(function);
        if self.0.is_empty() {
            return Err(format!("`expect` says nothing; there is `{}`", names.join("`, `")));
        }
        for (name, value) in &self.0 {
            if !names.contains(&name.as_str()) {
                let hint = nearest(name, names.iter().copied());
                return Err(format!("`{}` answers no `{name}`; {hint}", function));
            }
            if name != "attributes" {
                Wanted::of(value).map_err(|why| format!("`expect.{name}`: {why}"))?;
            }
        }
        Ok(())
    }

    /// What is not as it must be, one line each.
    pub(super) fn unmet(&self, facts: &Facts) -> Vec<String> {
        self.0
            .iter()
            .filter_map(|(name, value)| unmet(name, value, facts.get(name.as_str())))
            .collect()
    }
}

fn unmet(name: &str, value: &Value, fact: Option<&Fact>) -> Option<String> {
    let Some(fact) = fact else {
        return Some(format!("expected {name} {}, and there was none", told(value)));
    };
    if let (Fact::Named(facts), Value::Table(values)) = (fact, value) {
        let inner = |(key, value): (&String, &Value)| {
            unmet(&format!("{name}.{key}"), value, facts.get(key))
        };
        return values.iter().find_map(inner);
    }
    let met = Wanted::of(value).is_ok_and(|wanted| wanted.iter().all(|wanted| wanted.is_met(fact)));
    (!met).then(|| format!("expected {name} {}, found {fact}", told(value)))
}

/// As the author wrote it.
fn told(value: &Value) -> String {
    value.to_string().trim().replace('\n', " ")
}

enum Wanted<'a> {
    Equal(&'a Value),
    AtLeast(i128),
    AtMost(i128),
    Contains(&'a str),
}

impl<'a> Wanted<'a> {
    /// Several may be wanted at once.
    fn of(value: &'a Value) -> Result<Vec<Self>, String> {
        let Value::Table(table) = value else { return Ok(vec![Self::Equal(value)]) };
        let one = |(key, value): (&'a String, &'a Value)| match (key.as_str(), value) {
            ("at_least", Value::Integer(number)) => Ok(Self::AtLeast((*number).into())),
            ("at_most", Value::Integer(number)) => Ok(Self::AtMost((*number).into())),
            ("contains", Value::String(text)) => Ok(Self::Contains(text)),
            ("at_least" | "at_most", _) => Err(format!("`{key}` is a whole number")),
            ("contains", _) => Err("`contains` is a text".into()),
            _ => Err(format!(
                "no `{key}`; {}",
                nearest(key, ["at_least", "at_most", "contains"].into_iter())
            )),
        };
        table.iter().map(one).collect()
    }

    fn is_met(&self, fact: &Fact) -> bool {
        match (self, fact) {
            (Self::Equal(value), _) => equal(value, fact),
            (Self::AtLeast(least), Fact::Number(number)) => number >= least,
            (Self::AtMost(most), Fact::Number(number)) => number <= most,
            (Self::Contains(part), Fact::Text(text)) => text.contains(part),
            _ => false,
        }
    }
}

fn equal(value: &Value, fact: &Fact) -> bool {
    match (value, fact) {
        (Value::Integer(value), Fact::Number(number)) => i128::from(*value) == *number,
        (Value::String(value), Fact::Text(text)) => value == text,
        (Value::Array(values), Fact::List(facts)) => {
            values.len() == facts.len()
                && values.iter().zip(facts).all(|(value, fact)| equal(value, fact))
        }
        _ => false,
    }
}

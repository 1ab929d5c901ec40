//! What a case says, set in a value of the core. So each type of the contract is written in the
//! core, and a field that is new there can be set in a case at once.
//!
//! Names and units are those of the contract. That is the JSON of the core's types, but for: the
//! unit in the name of an amount, a route without its variant, lists of names and values written
//! as tables, and a check or an input with its variant as a key.

use pylon_core::decision::Candidate;
use pylon_core::settings::nearest;
use pylon_core::work::{Attribute, Check, ExecutionTarget, Route};
use pylon_core::{Input, InputSource, Param};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Fields of type `Msat`.
const AMOUNTS: [&str; 10] = [
    "bid",
    "cap",
    "high",
    "low",
    "max_receivable",
    "median",
    "paid",
    "price",
    "recent_paid",
    "step",
];
/// The keys of a route.
const ROUTE: [&str; 4] = ["backend", "isolation", "model", "price_permille"];
/// Fields of a job that no guest sees.
const HIDDEN: [&str; 2] = ["expires_at", "origin"];

/// One text, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts; write numbers as texts, too")]
pub(super) enum Texts {
    One(String),
    Many(Vec<String>),
}

/// Named texts in the order of their names.
pub(super) fn params(texts: BTreeMap<String, Texts>) -> Vec<Param> {
    let values = |texts| match texts {
        Texts::One(text) => vec![text],
        Texts::Many(texts) => texts,
    };
    texts.into_iter().map(|(name, texts)| Param { name, values: values(texts) }).collect()
}

/// `default` with what the table sets; `path` is where the case has the table.
pub(super) fn overlay<T: Serialize + DeserializeOwned>(
    path: &str,
    default: &T,
    table: &Table,
) -> Result<T, String> {
    let mut fields = match serde_json::to_value(default) {
        Ok(Json::Object(fields)) => fields,
        Ok(_) => return Err(format!("`{path}` is not a table")),
        Err(error) => return Err(error.to_string()),
    };
    let read = |fields: &Map<String, Json>, path: &str| {
        T::deserialize(Json::Object(fields.clone()))
            .map_err(|error| invalid(path, &error.to_string()))
    };
    for (key, value) in table {
        set(&mut fields, path, key, value)?;
        // Now, and not for all keys at once: the error names the key.
        read(&fields, &format!("{path}.{key}"))?;
    }
    read(&fields, path)
}

/// A route as a case writes it: flat, and without its variant.
pub(super) fn route(path: &str, default: &Route, table: &Table) -> Result<Route, String> {
    #[derive(Deserialize)]
    struct Keys {
        backend: Option<String>,
        model: Option<String>,
        isolation: Option<String>,
        price_permille: Option<u32>,
    }
    if let Some(key) = table.keys().find(|key| !ROUTE.contains(&key.as_str())) {
        return Err(unknown(path, key, ROUTE.into_iter()));
    }
    let set: Keys = read(path, Value::Table(table.clone()))?;
    let backend = set.backend.unwrap_or_else(|| default.target.backend().to_owned());
    let target = match set.isolation {
        Some(isolation) => ExecutionTarget::Agent { backend, isolation },
        None => {
            let model = set.model.unwrap_or_else(|| default.target.model().to_owned());
            ExecutionTarget::Model { backend, model }
        }
    };
    Ok(Route { target, price_permille: set.price_permille.unwrap_or(default.price_permille) })
}

/// A candidate, which has the keys of its route among its own.
pub(super) fn candidate(
    path: &str,
    default: &Candidate,
    table: &Table,
) -> Result<Candidate, String> {
    let is_route = |key: &String| ROUTE.contains(&key.as_str());
    let (of_route, own): (Table, Table) =
        table.clone().into_iter().partition(|(key, _)| is_route(key));
    let mut candidate = overlay(path, default, &own)?;
    candidate.route = route(path, &candidate.route, &of_route)?;
    Ok(candidate)
}

/// An input, and the text that the guest reads there; without one, access is denied.
pub(super) fn input(value: &Value) -> Result<(Input, Option<String>), String> {
    const EXPECTED: &str = "an input is a text, or a table with one of `text`, `url`, `event`, \
                            `job`, and optionally `fetched` and `marker`";
    const SOURCES: [&str; 4] = ["text", "url", "event", "job"];
    let expected = |why: String| format!("{EXPECTED}{why}");
    let table = match value {
        Value::String(text) => {
            let source = InputSource::Text(text.clone());
            return Ok((Input { source, hint: None, marker: None }, Some(text.clone())));
        }
        Value::Table(table) => table,
        _ => return Err(EXPECTED.into()),
    };
    let mut table = table.clone();
    let mut text = |key: &str| match table.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(expected(format!(": `{key}` is not a string"))),
    };
    let (fetched, marker) = (text("fetched")?, text("marker")?);
    if !(table.len() == 1 && table.keys().all(|key| SOURCES.contains(&key.as_str()))) {
        return Err(EXPECTED.into());
    }
    let source = InputSource::deserialize(Value::Table(table))
        .map_err(|error| expected(format!(": {}", error.message())))?;
    let text = if let InputSource::Text(text) = &source { Some(text.clone()) } else { fetched };
    Ok((Input { source, hint: None, marker }, text))
}

/// The name of a field as cases have it: an amount with its unit.
pub(super) fn author_name(field: &str) -> String {
    if AMOUNTS.contains(&field) { format!("{field}_msat") } else { field.to_owned() }
}

/// The field of this name; `None` if the unit is missing, or there is no such amount.
fn field_name(key: &str) -> Option<&str> {
    match key.strip_suffix("_msat") {
        Some(field) => AMOUNTS.contains(&field).then_some(field),
        None => (!AMOUNTS.contains(&key)).then_some(key),
    }
}

fn set(fields: &mut Map<String, Json>, path: &str, key: &str, value: &Value) -> Result<(), String> {
    let is_known = |field: &&str| !HIDDEN.contains(field);
    let known: Vec<_> =
        fields.keys().map(String::as_str).filter(is_known).map(author_name).collect();
    let field = field_name(key).filter(is_known).and_then(|name| fields.get_mut(name));
    let Some(field) = field else {
        return Err(unknown(path, key, known.iter().map(String::as_str)));
    };
    let path = format!("{path}.{key}");
    match (key, &mut *field, value) {
        ("route", _, Value::Table(table)) => {
            let default = Route::deserialize(&*field).map_err(|error| error.to_string())?;
            *field = to_json(&route(&path, &default, table)?)?;
        }
        ("params" | "extra", _, _) => *field = to_json(&params(read(&path, value.clone())?))?,
        ("attributes", _, _) => {
            let texts: BTreeMap<String, String> = read(&path, value.clone())?;
            let attribute = |(name, value)| Attribute { name, value };
            *field = to_json(&texts.into_iter().map(attribute).collect::<Vec<_>>())?;
        }
        ("checks", _, _) => *field = to_json(&checks(&path, value)?)?,
        (_, Json::Object(fields), Value::Table(table)) => {
            for (key, value) in table {
                set(fields, &path, key, value)?;
            }
        }
        _ => *field = json(&path, value)?,
    }
    Ok(())
}

fn checks(path: &str, value: &Value) -> Result<Vec<Check>, String> {
    let check = |mut table: Table| {
        let mut text = |key: &str| match table.remove(key) {
            Some(Value::String(text)) => Ok(text),
            None if key == "detail" => Ok(String::new()),
            _ => Err(format!("`{path}`: a check needs a string `{key}`")),
        };
        let (name, detail) = (text("name")?, text("detail")?);
        if table.len() != 1 {
            let expected = "exactly one of `passed`, `exit_code`, `count`, `skipped`";
            return Err(format!("`{path}`: a check needs {expected}"));
        }
        Ok(Check { name, outcome: read(path, Value::Table(table))?, detail })
    };
    let all: Vec<Table> = read(path, value.clone())?;
    all.into_iter().map(check).collect()
}

/// For what has no default: the names of its fields are checked when it is read.
fn json(path: &str, value: &Value) -> Result<Json, String> {
    match value {
        Value::Table(table) => {
            let field = |(key, value): (&String, &Value)| {
                let name = field_name(key)
                    .ok_or_else(|| unknown(path, key, std::iter::once(&*author_name(key))))?;
                Ok((name.to_owned(), json(path, value)?))
            };
            table.iter().map(field).collect::<Result<_, String>>().map(Json::Object)
        }
        value => to_json(value),
    }
}

fn read<T: DeserializeOwned>(path: &str, value: Value) -> Result<T, String> {
    value.try_into().map_err(|error: toml::de::Error| invalid(path, error.message()))
}

fn to_json(value: &impl Serialize) -> Result<Json, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}

/// Serde's message with the names that authors know.
fn invalid(path: &str, message: &str) -> String {
    let mut message = message.lines().collect::<Vec<_>>().join("; ");
    for number in ["i32", "u16", "u32", "u64"] {
        message = message.replace(&format!("expected {number}"), "expected a whole number");
    }
    for field in AMOUNTS {
        message = message.replace(&format!("`{field}`"), &format!("`{field}_msat`"));
    }
    format!("`{path}`: {message}")
}

fn unknown<'a>(path: &str, key: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    // An amount without its unit is nearer to other names than to its own.
    let with_unit = author_name(key);
    let hint = match known.clone().any(|known| known == with_unit) {
        true => format!("did you mean `{with_unit}`?"),
        false => nearest(key, known),
    };
    format!("unknown key `{key}` in `{path}`; {hint}")
}

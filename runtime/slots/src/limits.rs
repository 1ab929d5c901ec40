//! Limits of a call by their names, as settings and the history have them.

use pylon_sandbox::Limits;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The names of all limits.
pub fn names() -> Vec<String> {
    all().into_iter().map(|(name, _)| name).collect()
}

/// The limits with these values; those that are not named are unlimited. The error is an unknown
/// name.
pub fn parse(values: &BTreeMap<String, u64>) -> Result<Limits, String> {
    let mut fields = all();
    fields.values_mut().for_each(|value| *value = u64::MAX.into());
    for (name, limit) in values {
        *fields.get_mut(name).ok_or_else(|| name.clone())? = (*limit).into();
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
}

/// As the history has them.
pub(crate) fn by_name(limits: &Limits) -> BTreeMap<String, u64> {
    fields(limits).into_iter().filter_map(|(name, value)| Some((name, value.as_u64()?))).collect()
}

fn all() -> Map<String, Value> {
    fields(&Limits::POLICY)
}

fn fields(limits: &Limits) -> Map<String, Value> {
    match serde_json::to_value(limits) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a limit is set by its name, the others are unlimited, and an unknown name is an error.
    /// Method: each of the three.
    #[test]
    fn limits_are_set_by_name() {
        let set = parse(&BTreeMap::from([("fuel".to_owned(), 7)])).unwrap();
        assert_eq!((set.fuel, set.memory_bytes), (7, u64::MAX));
        assert_eq!(parse(&by_name(&Limits::POLICY)).unwrap().min(Limits::POLICY), Limits::POLICY);
        for wrong in ["fule", "stack_bytes"] {
            assert_eq!(parse(&BTreeMap::from([(wrong.to_owned(), 7)])), Err(wrong.to_owned()));
        }
        assert!(names().contains(&"output_bytes".to_owned()));
    }
}

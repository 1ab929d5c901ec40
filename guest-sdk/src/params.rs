//! Named values as they come: settings of the operator and params of a job, all of them text.

use crate::types::{Param, Refusal};
use alloc::string::String;
use core::str::FromStr;

/// A view on named values: `situation.settings()`, `job.params()`.
#[derive(Clone, Copy)]
pub struct Params<'a>(&'a [Param]);

/// A value that is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Of the param.
    pub name: String,
    /// As it came.
    pub value: String,
}

impl<'a> Params<'a> {
    /// A view on a list from the host.
    pub const fn new(params: &'a [Param]) -> Self {
        Self(params)
    }

    /// All values of the first param of this name; none if there is no such param.
    pub fn values(self, name: &str) -> &'a [String] {
        self.0.iter().find(|param| param.name == name).map_or(&[], |param| &param.values)
    }

    /// The first value, without the space around it; `None` where that leaves nothing.
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.values(name).first().map(|value| value.trim_ascii()).filter(|value| !value.is_empty())
    }

    /// The first value as a number or whatever else; `Ok(None)` if it is not set.
    pub fn parse<T: FromStr>(self, name: &str) -> Result<Option<T>, Malformed> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Malformed { name: name.into(), value: text.into() })
    }

    /// A setting. It is always there: what the operator did not set has the default that `describe` names. What is not a number, or
    /// whatever it must be, is refused in the words that a node looks for when a guest is installed or its settings change: the operator reads the
    /// setting's name, and customers no value.
    pub fn setting<T: FromStr>(self, name: &str) -> Result<T, Refusal> {
        self.parse(name)
            .ok()
            .flatten()
            .ok_or_else(|| Refusal::Other(["wrong setting ", name].concat()))
    }

    /// A whole number that a customer may name, or `default` if there is none or it is not a number. Settings are read with [`Params::setting`].
    pub fn u64(self, name: &str, default: u64) -> u64 {
        self.parse(name).ok().flatten().unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(name: &str, values: &[&str]) -> Param {
        Param {
            name: name.into(),
            values: values.iter().map(|value| String::from(*value)).collect(),
        }
    }

    /// Values as strangers write them are found, trimmed and parsed; what is not a number is told apart from what is not there.
    #[test]
    fn reads_what_is_there() {
        let list = [
            param("a", &[" 7 ", "8"]),
            param("a", &["9"]),
            param("b", &["x"]),
            param("c", &[]),
            param("d", &["  "]),
        ];
        let params = Params::new(&list);
        assert_eq!(params.u64("a", 1), 7);
        assert_eq!(params.values("a").len(), 2);
        assert_eq!(params.u64("b", 1), 1);
        assert_eq!(
            params.parse::<u64>("b"),
            Err(Malformed { name: "b".into(), value: "x".into() })
        );
        for absent in ["c", "d", "e", "A"] {
            assert_eq!(params.parse::<u64>(absent), Ok(None), "{absent}");
        }
        assert_eq!(params.setting::<u64>("a"), Ok(7));
        for wrong in ["b", "c", "e"] {
            let Err(Refusal::Other(words)) = params.setting::<u64>(wrong) else {
                panic!("{wrong}")
            };
            assert_eq!(words, ["wrong setting ", wrong].concat());
        }
    }
}

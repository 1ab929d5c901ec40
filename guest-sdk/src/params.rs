//! Named values: the parameters of a job and the operator's settings. All of them are text.

use crate::types::{Param, Refusal};
use alloc::string::String;
use core::str::FromStr;

/// A view of named values: `situation.settings()` or `job.params()`.
#[derive(Clone, Copy)]
pub struct Params<'a>(&'a [Param]);

/// A value that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidParam {
    /// Name of the parameter.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A setting that the guest cannot use, by its name. `?` turns it into the error of each world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSetting(pub String);

impl InvalidSetting {
    /// The setting `name` cannot be used.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }
}

impl From<InvalidSetting> for Refusal {
    fn from(InvalidSetting(name): InvalidSetting) -> Self {
        Self::InvalidSetting(name)
    }
}

impl<'a> Params<'a> {
    /// A view of a list from the host.
    pub const fn new(params: &'a [Param]) -> Self {
        Self(params)
    }

    /// All values of the first parameter with this name; empty if there is none.
    pub fn values(self, name: &str) -> &'a [String] {
        self.0.iter().find(|param| param.name == name).map_or(&[], |param| &param.values)
    }

    /// The first value, trimmed; `None` if it is missing or empty.
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.values(name).first().map(|value| value.trim_ascii()).filter(|value| !value.is_empty())
    }

    /// The first value, parsed; `Ok(None)` if it is missing or empty.
    pub fn parse<T: FromStr>(self, name: &str) -> Result<Option<T>, InvalidParam> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| InvalidParam { name: name.into(), value: text.into() })
    }

    /// The operator's value of a setting, or its default from the manifest, parsed.
    ///
    /// Read settings first and return the error with `?`: a value that cannot be parsed is then
    /// found when the guest is installed or its settings change.
    pub fn setting<T: FromStr>(self, name: &str) -> Result<T, InvalidSetting> {
        self.parse(name).ok().flatten().ok_or_else(|| InvalidSetting::new(name))
    }

    /// A whole number of a job; `default` if it is missing or not a number. Use
    /// [`Params::setting`] for settings.
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

    #[test]
    fn values_are_trimmed_and_parsed() {
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
            Err(InvalidParam { name: "b".into(), value: "x".into() })
        );
        for absent in ["c", "d", "e", "A"] {
            assert_eq!(params.parse::<u64>(absent), Ok(None), "{absent}");
        }
        assert_eq!(params.setting::<u64>("a"), Ok(7));
        for invalid in ["b", "c", "e"] {
            assert_eq!(params.setting::<u64>(invalid), Err(InvalidSetting::new(invalid)));
        }
    }
}

//! The API key of a backend: where the settings say that it is, and the header that carries it.

use pylon_core::settings::InvalidSetting;
use reqwest::header::HeaderValue;
use std::path::Path;

/// Reads a file with a secret, which only its owner may access. The error is one line.
pub type ReadSecret<'a> = &'a (dyn Fn(&Path) -> Result<String, String> + Sync);

/// An API key. `Debug` and the logs of the HTTP client do not show it.
#[derive(Clone, Debug)]
pub struct ApiKey(HeaderValue);

impl ApiKey {
    /// A key as the server knows it.
    pub fn parse(key: &str) -> Result<Self, &'static str> {
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("not an API key: it must be one line of ASCII without spaces");
        }
        let header = HeaderValue::try_from(format!("Bearer {key}"));
        let mut header = header.map_err(|_| "not an API key")?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Rejects invalid values of `api_key_file` and `api_key_env`.
pub(super) fn check(file: &str, variable: &str) -> Result<(), InvalidSetting> {
    if !file.is_empty() && !variable.is_empty() {
        let message = "`api_key_env`: `api_key_file` is set, too: remove one of them";
        return Err(InvalidSetting::new(&["api_key_env"], message));
    }
    if !file.is_empty() && !Path::new(file).is_absolute() {
        let message = format!("`api_key_file`: `{file}` is not an absolute path");
        return Err(InvalidSetting::new(&["api_key_file"], message));
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !variable.chars().all(is_word) {
        // Probably a key, so it is not repeated.
        let message = "`api_key_env`: not the name of an environment variable";
        return Err(InvalidSetting::new(&["api_key_env"], message));
    }
    Ok(())
}

/// The key of these settings, if any.
pub(super) fn read(
    file: &str,
    variable: &str,
    secret: ReadSecret<'_>,
) -> Result<Option<ApiKey>, InvalidSetting> {
    let (name, found) = if !file.is_empty() {
        ("api_key_file", secret(Path::new(file)))
    } else if !variable.is_empty() {
        let unset = |_| format!("the environment variable {variable} is not set");
        ("api_key_env", std::env::var(variable).map_err(unset))
    } else {
        return Ok(None);
    };
    let key = found.and_then(|key| ApiKey::parse(&key).map_err(str::to_owned));
    key.map(Some).map_err(|why| InvalidSetting::new(&[name], format!("`{name}`: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a mistake in the settings of a key is named without the key. Method: each mistake.
    #[test]
    fn mistakes_are_named_without_the_key() {
        let secret = |path: &Path| match path.to_str() {
            Some("/good") => Ok("s3cret\n".to_owned()),
            Some("/two") => Ok("s3cret s3cret".to_owned()),
            _ => Err("/bad is accessible to other users".to_owned()),
        };
        for (file, variable, error) in [
            ("", "", None),
            ("/good", "", None),
            ("/good", "KEY", Some("`api_key_file` is set, too")),
            ("good", "", Some("not an absolute path")),
            ("/two", "", Some("one line")),
            ("/bad", "", Some("accessible to other users")),
            ("", "sk-s3cret", Some("not the name")),
            ("", "PYLON_TEST_UNSET", Some("is not set")),
        ] {
            let read = check(file, variable).and_then(|()| read(file, variable, &secret));
            let shown = format!("{read:?}");
            assert!(!shown.contains("s3cret"), "{shown}");
            match error {
                None => assert_eq!(read.unwrap().is_some(), !file.is_empty(), "{shown}"),
                Some(error) => assert!(read.unwrap_err().message.contains(error), "{shown}"),
            }
        }
        assert!(ApiKey::parse("s3cret").unwrap().header() == "Bearer s3cret");
    }
}

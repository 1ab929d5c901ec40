//! The settings of inference backends.

use super::url::check_url;
use pylon_core::settings::{InvalidSetting, Section, nearest};
use serde::{Deserialize, Serialize};

/// The inference backends, and the preferred one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The preferred backend; if empty, the first available one.
    pub default_backend: String,
    /// The model for jobs that name none; if empty, the first of the backend.
    pub default_model: String,
    /// The backends, one table each.
    pub inference: Backends,
}

/// The backends, one table each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backends {
    /// A llama.cpp server.
    pub llama_cpp: LlamaCpp,
}

impl Backends {
    /// The names that `default_backend` may take: the tables above.
    pub const NAMES: &[&str] = &["llama_cpp"];
}

/// A llama.cpp server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LlamaCpp {
    /// The address of the server.
    pub url: String,
}

impl Default for LlamaCpp {
    fn default() -> Self {
        Self { url: "http://localhost:8080".into() }
    }
}

impl Section for Config {
    fn check(&self) -> Result<(), InvalidSetting> {
        let names = Backends::NAMES;
        if !self.default_backend.is_empty() && !names.contains(&self.default_backend.as_str()) {
            let hint = nearest(&self.default_backend, names.iter().copied());
            let message =
                format!("`default_backend`: no backend `{}`; {hint}", self.default_backend);
            return Err(InvalidSetting::new(&["default_backend"], message));
        }
        check_url(&self.inference.llama_cpp.url, &["http", "https"]).map_err(|cause| {
            InvalidSetting::new(&["inference", "llama_cpp", "url"], format!("`url`: {cause}"))
        })
    }

    fn reloaded(&self, next: &Self) -> Self {
        let Self { default_backend, default_model, inference: _ } = next.clone();
        Self { default_backend, default_model, inference: self.inference.clone() }
    }
}

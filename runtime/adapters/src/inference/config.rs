//! The settings of inference backends: a table `[inference.<name>]` for each, with its `type`. A
//! table with the name of a type needs none.

use super::api_key::ReadSecret;
use super::backend::BackendType;
use super::llama_cpp;
use pylon_core::ports::inference::Inference;
use pylon_core::settings::{InvalidSetting, Section, TypedTables, nearest};
use reqwest::Client;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A thousand times the price.
const PRICE_PERMILLE_MAX: u32 = 1_000_000;

macro_rules! backends {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $config:ty;)*) => {
        /// The settings of a backend, by its type.
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        pub enum BackendConfig {
            $($(#[$doc])* #[serde(rename = $name)] $variant($config),)*
        }

        impl BackendConfig {
            /// All types.
            pub const TYPES: &[&str] = &[$($name),*];

            /// The name of the type.
            pub const fn type_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            fn backend(&self) -> &dyn BackendType {
                match self { $(Self::$variant(config) => config,)* }
            }
        }

        /// Without the type, which depends on the name of the table.
        impl Serialize for BackendConfig {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Self::$variant(config) => config.serialize(serializer),)* }
            }
        }
    };
}

backends! {
    /// A llama.cpp server.
    LlamaCpp = "llama_cpp", llama_cpp::Config;
}

/// The inference backends, and which one is preferred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The preferred backend; if empty, the first that is ready.
    pub default_backend: String,
    /// The model for jobs that name none; if empty, the first of the backend.
    pub default_model: String,
    /// Price factors in thousandths by MODEL or BACKEND/MODEL; 1000 for all others.
    pub price_permille: BTreeMap<String, u32>,
    /// The backends by name. A file that names none has the default.
    #[serde(deserialize_with = "read_backends", serialize_with = "write_backends")]
    pub inference: BTreeMap<String, BackendConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default_backend: String::new(),
            default_model: String::new(),
            price_permille: BTreeMap::new(),
            inference: default_backends(),
        }
    }
}

fn default_backends() -> BTreeMap<String, BackendConfig> {
    let llama_cpp = BackendConfig::LlamaCpp(llama_cpp::Config::default());
    BTreeMap::from([("llama_cpp".to_owned(), llama_cpp)])
}

fn read_backends<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, BackendConfig>, D::Error> {
    let backends = BTreeMap::deserialize(deserializer)?;
    Ok(if backends.is_empty() { default_backends() } else { backends })
}

fn write_backends<S: Serializer>(
    backends: &BTreeMap<String, BackendConfig>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Table<'a> {
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        type_name: Option<&'static str>,
        #[serde(flatten)]
        backend: &'a BackendConfig,
    }
    serializer.collect_map(backends.iter().map(|(name, backend)| {
        let type_name = Some(backend.type_name()).filter(|type_name| type_name != name);
        (name, Table { type_name, backend })
    }))
}

impl Section for Config {
    const TYPED_TABLES: Option<TypedTables> =
        Some(TypedTables { key: "inference", types: BackendConfig::TYPES });

    fn check(&self) -> Result<(), InvalidSetting> {
        let (wanted, names) = (&self.default_backend, self.inference.keys().map(String::as_str));
        if !wanted.is_empty() && !self.inference.contains_key(wanted) {
            let message =
                format!("`default_backend`: no backend `{wanted}`; {}", nearest(wanted, names));
            return Err(InvalidSetting::new(&["default_backend"], message));
        }
        for (name, permille) in &self.price_permille {
            if *permille > PRICE_PERMILLE_MAX {
                let message = format!(
                    "`price_permille`: `{name}` is {permille}: it can be 0 to {PRICE_PERMILLE_MAX}"
                );
                return Err(InvalidSetting::new(&["price_permille", name], message));
            }
        }
        self.inference.iter().try_for_each(|(name, config)| {
            config.backend().check().map_err(|invalid| invalid.below(name).below("inference"))
        })
    }

    fn reloaded(&self, next: &Self) -> Self {
        let Self { default_backend, default_model, price_permille, inference: _ } = next;
        let price_permille = price_permille.clone();
        // A backend that a restart will add cannot be preferred before it.
        if !default_backend.is_empty() && !self.inference.contains_key(default_backend) {
            return Self { price_permille, ..self.clone() };
        }
        Self {
            price_permille,
            default_backend: default_backend.clone(),
            default_model: default_model.clone(),
            inference: self.inference.clone(),
        }
    }
}

impl Config {
    /// Builds all backends, whether their servers run or not. Keys are read with `secret`.
    pub async fn build(
        &self,
        http: &Client,
        secret: ReadSecret<'_>,
    ) -> Result<Vec<Arc<dyn Inference>>, InvalidSetting> {
        let mut backends = Vec::with_capacity(self.inference.len());
        for (name, config) in &self.inference {
            let built = config.backend().build(http, name, secret).await;
            backends.push(built.map_err(|invalid| invalid.below(name).below("inference"))?);
        }
        Ok(backends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a reload changes the preference, but not to a backend that needs a restart. Method: a
    /// backend that runs, then one that the file adds.
    #[test]
    fn a_reload_prefers_only_running_backends() {
        let running = Config::default();
        let prefer = |backend: &str| {
            let mut next = Config { default_model: "m".into(), ..Config::default() };
            backend.clone_into(&mut next.default_backend);
            let added = BackendConfig::LlamaCpp(llama_cpp::Config::default());
            next.inference.insert("added".into(), added);
            assert_eq!(next.check(), Ok(()));
            next
        };
        for backend in ["", "llama_cpp"] {
            let next = prefer(backend);
            let expected = Config { inference: running.inference.clone(), ..next.clone() };
            assert_eq!(running.reloaded(&next), expected, "{backend}");
        }
        assert_eq!(running.reloaded(&prefer("added")), running);
    }
}

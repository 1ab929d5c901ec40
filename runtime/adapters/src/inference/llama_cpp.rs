//! A llama.cpp server: the OpenAI API, with a health check and the number of its slots.

use super::api_key::{self, ApiKey, ReadSecret};
use super::backend::BackendType;
use super::openai::wire::{ModelList, Props};
use super::openai::{BaseUrl, OpenAi};
use async_trait::async_trait;
use pylon_core::ports::inference::{Inference, InferenceError};
use pylon_core::settings::InvalidSetting;
use pylon_egress::http::read_at_most;
use reqwest::header::SERVER;
use reqwest::{Client, Method};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The name of the type, and of a backend that is found without settings.
const NAME: &str = "llama_cpp";
/// A server on this machine answers at once, or it is still starting.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Its `Server` header, also while it loads the model.
const SERVER_HEADER: &str = "llama.cpp";
/// The owner of its models.
const OWNER: &str = "llamacpp";

/// A llama.cpp server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address of the server.
    pub url: String,
    /// The path of a file with the API key that the server requires; empty: none.
    pub api_key_file: String,
    /// The environment variable that has the key instead; empty: none.
    pub api_key_env: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "http://localhost:8080".into(),
            api_key_file: String::new(),
            api_key_env: String::new(),
        }
    }
}

#[async_trait]
impl BackendType for Config {
    fn check(&self) -> Result<(), InvalidSetting> {
        pylon_egress::configured_url::check(&self.url, &["http", "https"])
            .map_err(|why| InvalidSetting::new(&["url"], format!("`url`: {why}")))?;
        api_key::check(&self.api_key_file, &self.api_key_env)
    }

    async fn build(
        &self,
        http: &Client,
        name: &str,
        secret: ReadSecret<'_>,
    ) -> Result<Arc<dyn Inference>, InvalidSetting> {
        let key = api_key::read(&self.api_key_file, &self.api_key_env, secret)?;
        let connected = connect_with_key(http, name, &self.url, key).await;
        let connected =
            connected.map_err(|error| InvalidSetting::new(&["url"], format!("`url`: {error}")))?;
        Ok(Arc::new(connected))
    }
}

/// A server of this address that requires no key, whether it runs or not.
pub async fn connect(http: &Client, name: &str, url: &str) -> Result<OpenAi, InferenceError> {
    connect_with_key(http, name, url, None).await
}

async fn connect_with_key(
    http: &Client,
    name: &str,
    url: &str,
    key: Option<ApiKey>,
) -> Result<OpenAi, InferenceError> {
    let server = OpenAi::new(http.clone(), name, url, 1)?.with_health(Some("health")).with_key(key);
    let props = async {
        let response = server.request(Method::GET, "props").ok()?.send().await.ok()?;
        let body = read_at_most(response, BODY_BYTES_MAX).await.ok()?;
        serde_json::from_slice::<Props>(&body).ok()
    };
    // An old version, or one that is still loading, does not report its slots: one always works.
    let slots =
        timeout(PROBE_TIMEOUT, props).await.ok().flatten().map_or(1, |props| props.total_slots);
    Ok(server.with_slots(slots))
}

/// The server that runs at the default address, if that is a llama.cpp server.
pub async fn detect(http: &Client) -> Option<OpenAi> {
    let url = Config::default().url;
    let models = BaseUrl::parse(&url).ok()?.at("v1/models").ok()?;
    timeout(PROBE_TIMEOUT, is_llama_cpp(http, models)).await.ok().filter(|is_one| *is_one)?;
    connect(http, NAME, &url).await.ok()
}

/// Many programs use port 8080.
async fn is_llama_cpp(http: &Client, models: reqwest::Url) -> bool {
    let Ok(response) = http.get(models).send().await else { return false };
    let server = response.headers().get(SERVER).and_then(|value| value.to_str().ok());
    if server == Some(SERVER_HEADER) {
        return true;
    }
    let Ok(body) = read_at_most(response, BODY_BYTES_MAX).await else { return false };
    let list: Option<ModelList> = serde_json::from_slice(&body).ok();
    list.as_ref().and_then(ModelList::owner) == Some(OWNER)
}

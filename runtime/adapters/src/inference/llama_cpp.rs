//! A llama.cpp server: the OpenAI API, with a health check and the number of its slots.

use super::backend::BackendType;
use super::openai::wire::{ModelList, Props};
use super::openai::{BaseUrl, OpenAi};
use async_trait::async_trait;
use pylon_core::ports::inference::{Inference, InferenceError};
use pylon_core::settings::InvalidSetting;
use pylon_egress::http::read_at_most;
use reqwest::Client;
use reqwest::header::SERVER;
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
}

impl Default for Config {
    fn default() -> Self {
        Self { url: "http://localhost:8080".into() }
    }
}

#[async_trait]
impl BackendType for Config {
    fn check(&self) -> Result<(), InvalidSetting> {
        pylon_egress::configured_url::check(&self.url, &["http", "https"])
            .map_err(|why| InvalidSetting::new(&["url"], format!("`url`: {why}")))
    }

    async fn build(&self, http: &Client, name: &str) -> Result<Arc<dyn Inference>, InferenceError> {
        Ok(Arc::new(connect(http, name, &self.url).await?))
    }
}

/// A server of this address, whether it runs or not.
pub async fn connect(http: &Client, name: &str, url: &str) -> Result<OpenAi, InferenceError> {
    let base = BaseUrl::parse(url)?;
    let props = async {
        let response = http.get(base.at("props").ok()?).send().await.ok()?;
        let body = read_at_most(response, BODY_BYTES_MAX).await.ok()?;
        serde_json::from_slice::<Props>(&body).ok()
    };
    // An old version, or one that is still loading, does not report its slots: one always works.
    let slots =
        timeout(PROBE_TIMEOUT, props).await.ok().flatten().map_or(1, |props| props.total_slots);
    Ok(OpenAi::new(http.clone(), name, url, slots)?.with_health(Some("health")))
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
    let owner = list.iter().flat_map(|list| &list.data).find_map(|model| model.owned_by.as_deref());
    owner == Some(OWNER)
}

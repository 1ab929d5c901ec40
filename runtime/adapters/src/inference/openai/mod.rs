//! Any server with the OpenAI API: llama.cpp, vLLM, LM Studio and others. Differences between them
//! are in the files of the types, not here.

mod answer;
mod model_names;
mod server_error;
mod sse;
#[cfg(test)]
mod tests;
mod usage;
pub(crate) mod wire;

use super::api_key::ApiKey;
use answer::AnswerStream;
use async_trait::async_trait;
use model_names::ModelNames;
use pylon_core::completion::{CompletionRequest, ModelInfo};
use pylon_core::ports::inference::{CompletionStream, Inference, InferenceError};
use pylon_core::sync::{read, write};
use pylon_egress::http::{error_message, is_out_of_files, read_at_most, shorten};
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use server_error::refusal;
use std::sync::RwLock;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// A backend that needs longer to answer is not ready.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeout between two tokens of an answer.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a list of models or of an error.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Further models of a list are ignored.
const MODELS_MAX: usize = 1000;
const CHAT_PATH: &str = "v1/chat/completions";

/// A backend with the OpenAI API.
#[derive(Debug)]
pub struct OpenAi {
    id: String,
    slots: u32,
    http: Client,
    base: BaseUrl,
    health: Option<&'static str>,
    key: Option<ApiKey>,
    /// Of the models listed last.
    names: RwLock<ModelNames>,
    token_timeout: Duration,
}

impl OpenAi {
    /// A backend named `id` at a URL with or without `/v1`, which serves `slots` requests
    /// concurrently.
    pub fn new(
        http: Client,
        id: impl Into<String>,
        url: &str,
        slots: u32,
    ) -> Result<Self, InferenceError> {
        let base = BaseUrl::parse(url)?;
        Ok(Self {
            id: id.into(),
            slots: slots.max(1),
            http,
            base,
            health: None,
            key: None,
            names: RwLock::default(),
            token_timeout: TOKEN_TIMEOUT,
        })
    }

    /// Sets a path that reports whether the engine behind a listening server works.
    #[must_use]
    pub fn with_health(mut self, path: Option<&'static str>) -> Self {
        self.health = path;
        self
    }

    /// Sets how many requests it serves concurrently.
    #[must_use]
    pub fn with_slots(mut self, slots: u32) -> Self {
        self.slots = slots.max(1);
        self
    }

    /// Sets the API key that the server requires.
    #[must_use]
    pub fn with_key(mut self, key: Option<ApiKey>) -> Self {
        self.key = key;
        self
    }

    /// Sets another timeout between two tokens.
    #[must_use]
    pub fn with_token_timeout(mut self, gap: Duration) -> Self {
        self.token_timeout = gap;
        self
    }

    /// Its URL, without `/v1`.
    pub fn url(&self) -> &str {
        self.base.root()
    }

    /// A request to the server, with its key. The client follows no redirect, so that no other
    /// server gets the key.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
    ) -> Result<RequestBuilder, InferenceError> {
        let request = self.http.request(method, self.base.at(path)?);
        Ok(match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.header()),
            None => request,
        })
    }

    /// Only a refusal counts, because a 200 may mean little; a server without the path is checked
    /// by its models.
    async fn check_health(&self, path: &str) -> Result<(), InferenceError> {
        let response = self.request(Method::GET, path)?.send().await.map_err(unavailable)?;
        match response.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            _ => Err(not_ready(response).await),
        }
    }

    async fn list_models(&self) -> Result<Vec<ModelInfo>, InferenceError> {
        if let Some(path) = self.health {
            self.check_health(path).await?;
        }
        let response = self.request(Method::GET, "v1/models")?.send().await.map_err(unavailable)?;
        if !response.status().is_success() {
            return Err(not_ready(response).await);
        }
        let body = read_at_most(response, BODY_BYTES_MAX).await.map_err(unavailable)?;
        let list: wire::ModelList = serde_json::from_slice(&body).map_err(|_| {
            let body = String::from_utf8_lossy(&body);
            InferenceError::Unavailable(shorten(&format!("its models cannot be read: {body}")))
        })?;
        let listed: Vec<_> = list.models().take(MODELS_MAX).collect();
        let names = ModelNames::new(listed.iter().map(|(id, _)| *id));
        let model = |(id, context_tokens): (&str, _)| {
            Some(ModelInfo { id: names.name(id)?.to_owned(), context_tokens })
        };
        let models: Vec<_> = listed.into_iter().filter_map(model).collect();
        *write(&self.names) = names;
        if models.is_empty() {
            return Err(InferenceError::Unavailable("it has no model".to_owned()));
        }
        Ok(models)
    }

    /// Health and models are public at some servers, so that only a request like that of a job
    /// shows whether the key is right. An empty one is refused without work.
    async fn check_key(&self) -> Result<(), InferenceError> {
        let request = self.request(Method::POST, CHAT_PATH)?.json(&serde_json::json!({}));
        // Other answers and errors say nothing about the key.
        let Ok(Ok(response)) = timeout(HEALTH_TIMEOUT, request.send()).await else { return Ok(()) };
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(refusal(response, "").await),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Inference for OpenAi {
    fn id(&self) -> &str {
        &self.id
    }

    fn max_concurrency(&self) -> u32 {
        self.slots
    }

    async fn models(&self) -> Result<Vec<ModelInfo>, InferenceError> {
        let (listed, checked) =
            tokio::join!(timeout(HEALTH_TIMEOUT, self.list_models()), self.check_key());
        let models = listed.unwrap_or(Err(InferenceError::Timeout))?;
        checked?;
        Ok(models)
    }

    async fn generate(
        &self,
        request: &CompletionRequest,
    ) -> Result<Box<dyn CompletionStream>, InferenceError> {
        let deadline = Instant::now() + request.first_output_timeout;
        let model_id = read(&self.names).id(&request.model).to_owned();
        let body = wire::Request::of(request, &model_id)?;
        let sent = async {
            let post = self.request(Method::POST, CHAT_PATH)?.json(&body);
            let response = post.send().await.map_err(unavailable)?;
            if response.status().is_success() {
                Ok(response)
            } else {
                Err(refusal(response, &request.model).await)
            }
        };
        let response = timeout_at(deadline, sent).await.unwrap_or(Err(InferenceError::Timeout))?;
        let timeout = self.token_timeout;
        Ok(Box::new(AnswerStream::new(response, request, &model_id, deadline, timeout)))
    }
}

/// The URL of a server, to which paths can be appended.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl(Url);

impl BaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, InferenceError> {
        let bad = |why: &str| InferenceError::Unsupported(format!("`{}`: {why}", shorten(text)));
        let mut url = Url::parse(text.trim()).map_err(|_| bad("not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(bad("a backend's URL must begin with http:// or https://"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("a backend's URL must not have a query or a fragment"));
        }
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path).trim_end_matches('/').to_owned();
        url.set_path(&format!("{path}/"));
        Ok(Self(url))
    }

    pub(crate) fn at(&self, path: &str) -> Result<Url, InferenceError> {
        self.0.join(path).map_err(|error| InferenceError::Unsupported(error.to_string()))
    }

    fn root(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

/// The error for a status of a probe.
async fn not_ready(response: Response) -> InferenceError {
    let is_loading = response.status() == StatusCode::SERVICE_UNAVAILABLE;
    match refusal(response, "").await {
        // A job that runs waits for a model that is loaded; no other job should.
        InferenceError::Busy { why, .. } if is_loading => InferenceError::Unavailable(why),
        error => error,
    }
}

fn unavailable(error: reqwest::Error) -> InferenceError {
    if is_out_of_files(&error) {
        let why = "this process has too many open files: raise LimitNOFILE".to_owned();
        return InferenceError::Busy { why, retry_after: None };
    }
    InferenceError::Unavailable(error_message(error))
}

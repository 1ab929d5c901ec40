//! Any server with the OpenAI API: llama.cpp, vLLM, LM Studio and others. Differences between them
//! are in the files of the types, not here.

mod answer;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use answer::AnswerStream;
use async_trait::async_trait;
use pylon_core::completion::{CompletionRequest, ModelInfo};
use pylon_core::ports::inference::{BackendFault, CompletionStream, Inference, InferenceError};
use pylon_egress::http::{error_message, read_at_most, shorten};
use reqwest::{Client, Response, StatusCode, Url};
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

/// A backend with the OpenAI API.
#[derive(Debug)]
pub struct OpenAi {
    id: String,
    slots: u32,
    http: Client,
    base: BaseUrl,
    health: Option<&'static str>,
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
            token_timeout: TOKEN_TIMEOUT,
        })
    }

    /// Sets a path that reports whether the engine behind a listening server works.
    #[must_use]
    pub fn with_health(mut self, path: Option<&'static str>) -> Self {
        self.health = path;
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

    /// Only a refusal counts, because a 200 may mean little; a server without the path is checked
    /// by its models.
    async fn check_health(&self, path: &str) -> Result<(), InferenceError> {
        let response = self.http.get(self.base.at(path)?).send().await.map_err(unavailable)?;
        match response.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
            _ => Err(refusal(response, "").await),
        }
    }

    async fn list_models(&self) -> Result<Vec<ModelInfo>, InferenceError> {
        if let Some(path) = self.health {
            self.check_health(path).await?;
        }
        let response =
            self.http.get(self.base.at("v1/models")?).send().await.map_err(unavailable)?;
        if !response.status().is_success() {
            return Err(refusal(response, "").await);
        }
        let body = read_at_most(response, BODY_BYTES_MAX).await.map_err(unavailable)?;
        let list: wire::ModelList = serde_json::from_slice(&body).map_err(|_| {
            InferenceError::Unavailable("its list of models cannot be read".to_owned())
        })?;
        let models: Vec<_> =
            list.data.into_iter().take(MODELS_MAX).map(wire::ModelEntry::into_model).collect();
        if models.is_empty() {
            return Err(InferenceError::Unavailable("it has no model".to_owned()));
        }
        Ok(models)
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
        timeout(HEALTH_TIMEOUT, self.list_models()).await.unwrap_or(Err(InferenceError::Timeout))
    }

    async fn generate(
        &self,
        request: &CompletionRequest,
    ) -> Result<Box<dyn CompletionStream>, InferenceError> {
        let deadline = Instant::now() + request.first_output_timeout;
        let body = wire::Request::of(request)?;
        let sent = async {
            let post = self.http.post(self.base.at("v1/chat/completions")?).json(&body);
            let response = post.send().await.map_err(unavailable)?;
            if response.status().is_success() {
                Ok(response)
            } else {
                Err(refusal(response, &request.model).await)
            }
        };
        let response = timeout_at(deadline, sent).await.unwrap_or(Err(InferenceError::Timeout))?;
        Ok(Box::new(AnswerStream::new(response, request, deadline, self.token_timeout)))
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

/// The error for a status other than success. The body is only for the operator's log, shortened.
async fn refusal(response: Response, model: &str) -> InferenceError {
    let status = response.status();
    let body = match timeout(HEALTH_TIMEOUT, read_at_most(response, BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        _ => Vec::new(),
    };
    if status == StatusCode::NOT_FOUND && !model.is_empty() {
        return InferenceError::Unsupported(format!("model {}", shorten(model)));
    }
    let message = match serde_json::from_slice::<wire::Refusal>(&body) {
        Ok(refusal) => match refusal.error.into_error() {
            InferenceError::Failed(_, message) => message,
            other => return other,
        },
        Err(_) => format!("it answers {status}"),
    };
    match status {
        // Another request may succeed: the server works, but not for this request.
        StatusCode::INTERNAL_SERVER_ERROR => {
            InferenceError::Failed(BackendFault::Internal, message)
        }
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => {
            InferenceError::Failed(BackendFault::Refused, message)
        }
        _ => InferenceError::Unavailable(message),
    }
}

fn unavailable(error: reqwest::Error) -> InferenceError {
    InferenceError::Unavailable(error_message(error))
}

//! Any server that speaks the OpenAI dialect: llama.cpp, vLLM, LM Studio and others. What tells one of them from another
//! is in `detect.rs`; nothing here asks which it is.

mod answer;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use answer::Answer;
use async_trait::async_trait;
use pylon_core::completion::{CompletionRequest, ModelInfo};
use pylon_core::ports::inference::{BackendFault, CompletionStream, Inference, InferenceError};
use pylon_egress::http::{in_short, in_words, read_at_most};
use reqwest::{Client, Response, StatusCode, Url};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// A backend that needs longer to say what it serves is not ready to serve it.
const HEALTH_WITHIN: Duration = Duration::from_secs(2);
/// Between two pieces of an answer.
const TOKEN_GAP: Duration = Duration::from_secs(30);
/// A list of models, or what is wrong.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Of a server that lists more, the first are enough.
const MODELS_MAX: usize = 1000;

/// A backend behind the OpenAI dialect.
#[derive(Debug)]
pub struct OpenAi {
    id: String,
    slots: u32,
    http: Client,
    base: BaseUrl,
    health: Option<&'static str>,
    token_gap: Duration,
}

impl OpenAi {
    /// A backend named `id` at a URL with or without `/v1`, which serves `slots` requests at once.
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
            token_gap: TOKEN_GAP,
        })
    }

    /// With a path that says when the engine behind a listening server is dead.
    #[must_use]
    pub fn with_health(mut self, path: Option<&'static str>) -> Self {
        self.health = path;
        self
    }

    /// With another longest silence between two pieces of an answer.
    #[must_use]
    pub fn with_token_gap(mut self, gap: Duration) -> Self {
        self.token_gap = gap;
        self
    }

    /// Where it is, without `/v1`.
    pub fn url(&self) -> &str {
        self.base.root()
    }

    /// A 200 here means little, so that only a refusal counts; a server without the path is judged by its models.
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
        timeout(HEALTH_WITHIN, self.list_models()).await.unwrap_or(Err(InferenceError::Timeout))
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
        Ok(Box::new(Answer::new(response, request, deadline, self.token_gap)))
    }
}

/// Where a server is: an address that paths can be put behind.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl(Url);

impl BaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, InferenceError> {
        let bad = |why: &str| InferenceError::Unsupported(format!("`{}`: {why}", in_short(text)));
        let mut url = Url::parse(text.trim()).map_err(|_| bad("not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(bad("a backend's URL begins with http:// or https://"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("a backend's URL ends with its path"));
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

/// What a status other than success means. The body is for the operator's log only, and only in short.
async fn refusal(response: Response, model: &str) -> InferenceError {
    let status = response.status();
    let body = match timeout(HEALTH_WITHIN, read_at_most(response, BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        _ => Vec::new(),
    };
    if status == StatusCode::NOT_FOUND && !model.is_empty() {
        return InferenceError::Unsupported(format!("model {}", in_short(model)));
    }
    let said = match serde_json::from_slice::<wire::Refusal>(&body) {
        Ok(refusal) => match refusal.error.into_error() {
            InferenceError::Failed(_, said) => said,
            other => return other,
        },
        Err(_) => format!("it answers {status}"),
    };
    match status {
        // Another request might be answered: the server is there, and this one is too much or nothing for it.
        StatusCode::INTERNAL_SERVER_ERROR => InferenceError::Failed(BackendFault::Internal, said),
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => InferenceError::Failed(BackendFault::Refused, said),
        _ => InferenceError::Unavailable(said),
    }
}

fn unavailable(error: reqwest::Error) -> InferenceError {
    InferenceError::Unavailable(in_words(error))
}

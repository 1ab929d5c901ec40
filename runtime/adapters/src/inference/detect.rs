//! Detects running backends. A backend is a row: its name, its default address, and how it is
//! recognised.

use super::openai::wire::{ModelList, Props};
use super::openai::{BaseUrl, OpenAi};
use pylon_core::ports::inference::InferenceError;
use pylon_egress::http::read_at_most;
use reqwest::Client;
use reqwest::header::SERVER;
use std::time::Duration;
use tokio::time::timeout;

/// A local server answers immediately, unless it is starting.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A kind of backend.
struct KnownBackend {
    /// Its name in routes, events and `[inference.*]`.
    id: &'static str,
    /// Its default address.
    default_url: &'static str,
    /// The path that reports whether the server works.
    health: &'static str,
    /// The owner in its list of models.
    owned_by: &'static str,
    /// Its `Server` header, which it also sends while it loads.
    server: &'static str,
    /// The path that reports how many requests it serves concurrently.
    props: &'static str,
}

/// The backends that are tried, in this order.
const KNOWN_BACKENDS: &[KnownBackend; 1] = &[KnownBackend {
    id: "llama_cpp",
    default_url: "http://localhost:8080",
    health: "health",
    owned_by: "llamacpp",
    server: "llama.cpp",
    props: "props",
}];

/// The first backend of the table that answers at its default address.
pub async fn detect(http: &Client) -> Option<OpenAi> {
    for row in KNOWN_BACKENDS {
        let Ok(base) = BaseUrl::parse(row.default_url) else { continue };
        if let Ok(Some(found)) = identify(http, &base).await
            && found.id == row.id
        {
            return adopt(http, &base, row.default_url, row).await.ok();
        }
    }
    None
}

/// A llama.cpp server at the operator's address, running or not.
pub async fn llama_cpp(http: &Client, url: &str) -> Result<OpenAi, InferenceError> {
    let [row] = KNOWN_BACKENDS;
    adopt(http, &BaseUrl::parse(url)?, url, row).await
}

/// Many programs use port 8080, so the server there is identified.
async fn identify(
    http: &Client,
    base: &BaseUrl,
) -> Result<Option<&'static KnownBackend>, InferenceError> {
    let url = base.at("v1/models")?;
    let asked = async {
        let response = http.get(url).send().await?;
        let server =
            response.headers().get(SERVER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok::<_, reqwest::Error>((server, read_at_most(response, BODY_BYTES_MAX).await?))
    };
    let (server, body) = match timeout(PROBE_TIMEOUT, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            return Err(InferenceError::Unavailable(pylon_egress::http::error_message(error)));
        }
        Err(_) => return Err(InferenceError::Timeout),
    };
    let list: Option<ModelList> = serde_json::from_slice(&body).ok();
    let owner = list.iter().flat_map(|list| &list.data).find_map(|model| model.owned_by.as_deref());
    Ok(KNOWN_BACKENDS
        .iter()
        .find(|row| server.as_deref() == Some(row.server) || owner == Some(row.owned_by)))
}

async fn adopt(
    http: &Client,
    base: &BaseUrl,
    url: &str,
    row: &'static KnownBackend,
) -> Result<OpenAi, InferenceError> {
    let asked = async {
        let response = http.get(base.at(row.props).ok()?).send().await.ok()?;
        let body = read_at_most(response, BODY_BYTES_MAX).await.ok()?;
        serde_json::from_slice::<Props>(&body).ok()
    };
    // An older build, or one that is still loading, does not report it; one request at a time
    // always works.
    let slots =
        timeout(PROBE_TIMEOUT, asked).await.ok().flatten().map_or(1, |props| props.total_slots);
    Ok(OpenAi::new(http.clone(), row.id, url, slots)?.with_health(Some(row.health)))
}

//! Which backend is it, and is one running? A backend is a row: its name, where it usually is, and what gives it away.

use super::openai::wire::{ModelList, Props};
use super::openai::{BaseUrl, OpenAi};
use pylon_core::ports::inference::InferenceError;
use pylon_egress::http::read_at_most;
use reqwest::Client;
use reqwest::header::SERVER;
use std::time::Duration;
use tokio::time::timeout;

/// A server on this machine answers at once or is busy starting.
const PROBE_WITHIN: Duration = Duration::from_secs(2);
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// A kind of backend.
struct Row {
    /// Its name in routes, events and `[inference.*]`.
    id: &'static str,
    /// Where it listens unless told otherwise.
    default_url: &'static str,
    /// Says when a listening server cannot work.
    health: &'static str,
    /// In its list of models.
    owned_by: &'static str,
    /// Its `Server` header, also while it loads.
    server: &'static str,
    /// Tells how many requests it serves at once.
    props: &'static str,
}

/// The backends that are looked for, in this order.
const ROWS: &[Row; 1] = &[Row {
    id: "llama_cpp",
    default_url: "http://localhost:8080",
    health: "health",
    owned_by: "llamacpp",
    server: "llama.cpp",
    props: "props",
}];

/// The first backend of the table that answers where it usually is.
pub async fn detect(http: &Client) -> Option<OpenAi> {
    for row in ROWS {
        let Ok(base) = BaseUrl::parse(row.default_url) else { continue };
        if let Ok(Some(found)) = identify(http, &base).await
            && found.id == row.id
        {
            return adopt(http, &base, row.default_url, row).await.ok();
        }
    }
    None
}

/// A llama.cpp server where the operator says, there already or not.
pub async fn llama_cpp(http: &Client, url: &str) -> Result<OpenAi, InferenceError> {
    let [row] = ROWS;
    adopt(http, &BaseUrl::parse(url)?, url, row).await
}

/// Port 8080 is everybody's: what listens there is asked who it is.
async fn identify(http: &Client, base: &BaseUrl) -> Result<Option<&'static Row>, InferenceError> {
    let url = base.at("v1/models")?;
    let asked = async {
        let response = http.get(url).send().await?;
        let server =
            response.headers().get(SERVER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok::<_, reqwest::Error>((server, read_at_most(response, BODY_BYTES_MAX).await?))
    };
    let (server, body) = match timeout(PROBE_WITHIN, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            return Err(InferenceError::Unavailable(pylon_egress::http::in_words(error)));
        }
        Err(_) => return Err(InferenceError::Timeout),
    };
    let list: Option<ModelList> = serde_json::from_slice(&body).ok();
    let owner = list.iter().flat_map(|list| &list.data).find_map(|model| model.owned_by.as_deref());
    Ok(ROWS.iter().find(|row| server.as_deref() == Some(row.server) || owner == Some(row.owned_by)))
}

async fn adopt(
    http: &Client,
    base: &BaseUrl,
    url: &str,
    row: &'static Row,
) -> Result<OpenAi, InferenceError> {
    let asked = async {
        let response = http.get(base.at(row.props).ok()?).send().await.ok()?;
        let body = read_at_most(response, BODY_BYTES_MAX).await.ok()?;
        serde_json::from_slice::<Props>(&body).ok()
    };
    // An older build, or one that is still loading, does not tell: one at a time is always right.
    let slots =
        timeout(PROBE_WITHIN, asked).await.ok().flatten().map_or(1, |props| props.total_slots);
    Ok(OpenAi::new(http.clone(), row.id, url, slots)?.with_health(Some(row.health)))
}

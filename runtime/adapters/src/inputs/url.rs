//! Fetches a page as text: over https, if the egress policy and the handler's hosts allow it,
//! uncompressed, and limited in size and time.

use pylon_core::ports::inputs::FetchError;
use pylon_core::sources::Sources;
use pylon_egress::pinned_client;
use pylon_egress::policy::{Denied, EgressPolicy, Scheme};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use reqwest::{Response, Url};
use std::time::Duration;
use tokio::time::timeout;

/// Redirects that are followed; each is checked like the first address.
const REDIRECTS_MAX: usize = 3;
/// Timeout of the connection; the whole fetch has its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The rules for the first address and for every redirect.
pub(super) struct Rules<'a> {
    /// The policy of the node.
    pub(super) egress: &'a EgressPolicy,
    /// The hosts that the handler requested.
    pub(super) sources: &'a Sources,
}

impl Rules<'_> {
    /// Pure: checks the text of the address.
    pub(super) fn check(&self, address: &str) -> Result<Url, FetchError> {
        let url = self.egress.check(address, Scheme::Http).map_err(fetch_error)?;
        let wanted = url.host_str().is_some_and(|host| self.sources.allow_host(host));
        if wanted { Ok(url) } else { Err(FetchError::Denied("this host is not fetched from")) }
    }
}

/// The text of the page at this address, of at most this many bytes.
pub(super) async fn fetch(
    rules: &Rules<'_>,
    address: &str,
    bytes_max: u64,
    within: Duration,
) -> Result<String, FetchError> {
    let read = timeout(within, async {
        let response = get(rules, address).await?;
        read(response, bytes_max).await
    });
    read.await.unwrap_or(Err(FetchError::Timeout(within.as_secs())))
}

fn fetch_error(denied: Denied) -> FetchError {
    match denied {
        Denied::Unknown => FetchError::Unreachable,
        reason => FetchError::Denied(reason.message()),
    }
}

async fn get(rules: &Rules<'_>, address: &str) -> Result<Response, FetchError> {
    let mut address = address.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        rules.check(&address)?;
        let (url, found) =
            rules.egress.resolve(&address, Scheme::Http).await.map_err(fetch_error)?;
        let unreachable = |error: reqwest::Error| {
            // Without the URL, which may be from a confidential job.
            tracing::debug!(error = %error.without_url(), "cannot fetch a URL input");
            FetchError::Unreachable
        };
        let client =
            pinned_client::client(url.host_str().unwrap_or_default(), &found, CONNECT_TIMEOUT)
                .map_err(unreachable)?;
        let request = client
            .get(url.clone())
            .header(ACCEPT, "text/*, application/json")
            .header(ACCEPT_ENCODING, "identity");
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let next = response
            .headers()
            .get(LOCATION)
            .filter(|_| status.is_redirection())
            .and_then(|next| next.to_str().ok());
        let next = next.and_then(|next| url.join(next).ok()).ok_or(FetchError::Unreachable)?;
        address = next.into();
    }
    Err(FetchError::Unreachable)
}

async fn read(mut response: Response, bytes_max: u64) -> Result<String, FetchError> {
    let header = |name| {
        response.headers().get(name).map(|value| value.to_str().unwrap_or("?").to_ascii_lowercase())
    };
    if header(CONTENT_ENCODING).is_some_and(|coding| coding != "identity")
        || header(CONTENT_TYPE).is_some_and(|mime| !is_text(&mime))
    {
        return Err(FetchError::NotText);
    }
    if response.content_length().is_some_and(|bytes| bytes > bytes_max) {
        return Err(FetchError::TooLarge(bytes_max));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| FetchError::Unreachable)? {
        if body.len().saturating_add(chunk.len()) as u64 > bytes_max {
            return Err(FetchError::TooLarge(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| FetchError::NotText)
}

/// Types of content that a model can read directly.
fn is_text(mime: &str) -> bool {
    let essence = mime.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/")
        || ["+json", "+xml"].iter().any(|suffix| essence.ends_with(suffix))
        || matches!(
            essence,
            "" | "application/json" | "application/xml" | "application/yaml" | "application/toml"
        )
}

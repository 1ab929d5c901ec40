//! A file from an address that the operator named: bounded in bytes and time. What it is, its digest says. The operator may name any place; where its
//! server leads from there is under the policy for addresses that strangers name.

use crate::pinned_client;
use crate::policy::{EgressPolicy, Scheme};
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use std::time::Duration;
use url::Url;

const REDIRECTS_MAX: usize = 5;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No answer, or a broken one.
    #[error("cannot be fetched: {0}")]
    Unreachable(String),
    /// An answer that is no file.
    #[error("the server answers {0}")]
    Refused(u16),
    /// It leads to a host where nobody may lead us, and why not.
    #[error("a redirect to {0}: {1}")]
    Denied(String, &'static str),
    /// More than this.
    #[error("more than {0} bytes")]
    TooLarge(usize),
    /// Longer than this many seconds.
    #[error("not there within {0} s")]
    Slow(u64),
}

/// The file, or `None` where the server says that there is none.
pub async fn download(
    url: &Url,
    addresses: &EgressPolicy,
    bytes_max: usize,
    within: Duration,
) -> Result<Option<Vec<u8>>, DownloadError> {
    let slow = |_| Err(DownloadError::Slow(within.as_secs()));
    tokio::time::timeout(within, fetch(url, addresses, bytes_max)).await.unwrap_or_else(slow)
}

async fn fetch(
    url: &Url,
    addresses: &EgressPolicy,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, DownloadError> {
    let mut response = get(url, addresses).await?;
    match response.status() {
        status if status.is_success() => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
        status => return Err(DownloadError::Refused(status.as_u16())),
    }
    let too_large = || DownloadError::TooLarge(bytes_max);
    if response.content_length().is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len().saturating_add(chunk.len()) > bytes_max {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The answer behind all redirects.
async fn get(url: &Url, addresses: &EgressPolicy) -> Result<Response, DownloadError> {
    let mut at = url.clone();
    for _ in 0..=REDIRECTS_MAX {
        let client = if at.origin() == url.origin() {
            client().map_err(unreachable)?
        } else {
            led_to(&at, addresses).await?
        };
        let response = client.get(at.clone()).send().await.map_err(unreachable)?;
        let next = response.headers().get(LOCATION).filter(|_| response.status().is_redirection());
        match next.and_then(|next| at.join(next.to_str().ok()?).ok()) {
            Some(next) => at = next,
            None => return Ok(response),
        }
    }
    Err(DownloadError::Unreachable("too many redirects".into()))
}

/// For a place that the operator did not name, if the policy lets us go there.
async fn led_to(at: &Url, addresses: &EgressPolicy) -> Result<Client, DownloadError> {
    let host = at.host_str().unwrap_or_default();
    let found = addresses.resolve(at.as_str(), Scheme::Http).await;
    let (_, found) = found.map_err(|why| DownloadError::Denied(host.into(), why.message()))?;
    pinned_client::client(host, &found, CONNECT_WITHIN).map_err(unreachable)
}

/// For the place that the operator named.
fn client() -> reqwest::Result<Client> {
    // A program that has installed its provider already keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[allow(
        clippy::disallowed_methods,
        reason = "a client for one file, which follows no redirect by itself"
    )]
    let builder = Client::builder();
    let agent = concat!("pylon/", env!("CARGO_PKG_VERSION"));
    builder
        .user_agent(agent)
        .connect_timeout(CONNECT_WITHIN)
        .referer(false)
        .redirect(Policy::none())
        .build()
}

fn unreachable(error: reqwest::Error) -> DownloadError {
    let cause =
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
            .last();
    DownloadError::Unreachable(cause.map_or_else(String::new, ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;

    /// Goal: a file and nothing but it, from nowhere that only a server names unless it is public. Method: a server with a file, nothing, an error, and
    /// redirects: to itself, in a circle, to an address of this machine that is encrypted, one that is not, and there with the operator's leave.
    #[tokio::test]
    async fn a_file_or_a_reason() {
        let moved = |to: String| {
            get(move || async move { (axum::http::StatusCode::FOUND, [(LOCATION, to)]) })
        };
        let (here, there) = (listen().await, listen().await);
        let other = there.local_addr().unwrap();
        let app = Router::new()
            .route("/file", get(|| async { "component" }))
            .route("/broken", get(|| async { axum::http::StatusCode::INTERNAL_SERVER_ERROR }))
            .route("/moved", moved("/file".into()))
            .route("/inside", moved(format!("https://{other}/file")))
            .route("/open", moved(format!("http://{other}/file")))
            .route("/circle", moved("/circle".into()));
        let base = format!("http://{}", here.local_addr().unwrap());
        let servers = [(here, app.clone()), (there, app)]
            .map(|(listener, app)| tokio::spawn(async move { axum::serve(listener, app).await }));
        let get = async |path: &str, allow: &[String], max| {
            let url = Url::parse(&format!("{base}{path}")).unwrap();
            download(&url, &EgressPolicy::new(allow), max, Duration::from_secs(30)).await
        };
        assert_eq!(get("/file", &[], 9).await.unwrap().unwrap(), b"component");
        assert_eq!(get("/moved", &[], 9).await.unwrap().unwrap(), b"component");
        assert_eq!(get("/none", &[], 9).await.unwrap(), None);
        assert!(matches!(get("/file", &[], 8).await, Err(DownloadError::TooLarge(8))));
        assert!(matches!(get("/broken", &[], 9).await, Err(DownloadError::Refused(500))));
        let said = |answer: Result<_, DownloadError>| {
            answer.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(
            said(get("/inside", &[], 9).await),
            "a redirect to 127.0.0.1: not a public address"
        );
        assert!(said(get("/open", &[], 9).await).contains("only https"));
        assert_eq!(get("/open", &[other.to_string()], 9).await.unwrap().unwrap(), b"component");
        assert!(said(get("/circle", &[], 9).await).contains("too many redirects"));
        servers.iter().for_each(tokio::task::JoinHandle::abort);
    }

    async fn listen() -> tokio::net::TcpListener {
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap()
    }
}

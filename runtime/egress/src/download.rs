//! Downloads a file from an address that the operator configured, limited in bytes and time. The
//! caller checks the digest. The first address is not under the egress policy, redirects to other
//! hosts are.

use crate::pinned_client;
use crate::policy::{EgressPolicy, Scheme};
use crate::tls;
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use std::time::Duration;
use url::Url;

const REDIRECTS_MAX: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No answer, or an incomplete one.
    #[error("cannot be fetched: {0}")]
    Unreachable(String),
    /// An error status.
    #[error("the server answers {0}")]
    Refused(u16),
    /// A redirect to a host that the policy denies.
    #[error("a redirect to {0}: {1}")]
    Denied(String, &'static str),
    /// The file is larger than this.
    #[error("more than {0} bytes")]
    TooLarge(usize),
    /// The download took longer than this many seconds.
    #[error("not complete within {0} s")]
    TimedOut(u64),
}

/// Returns the file, or `None` if the server reports that it does not exist.
pub async fn download(
    url: &Url,
    policy: &EgressPolicy,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Option<Vec<u8>>, DownloadError> {
    let timed_out = |_| Err(DownloadError::TimedOut(timeout.as_secs()));
    tokio::time::timeout(timeout, fetch(url, policy, bytes_max)).await.unwrap_or_else(timed_out)
}

async fn fetch(
    url: &Url,
    policy: &EgressPolicy,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, DownloadError> {
    let mut response = get(url, policy).await?;
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

/// The answer after all redirects.
async fn get(url: &Url, policy: &EgressPolicy) -> Result<Response, DownloadError> {
    let mut at = url.clone();
    for _ in 0..=REDIRECTS_MAX {
        let client = if at.origin() == url.origin() {
            client().map_err(unreachable)?
        } else {
            client_for_redirect(&at, policy).await?
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

/// A client for an address that the operator did not configure, if the policy allows it.
async fn client_for_redirect(at: &Url, policy: &EgressPolicy) -> Result<Client, DownloadError> {
    let host = at.host_str().unwrap_or_default();
    let found = policy.resolve(at.as_str(), Scheme::Http).await;
    let (_, found) = found.map_err(|error| DownloadError::Denied(host.into(), error.message()))?;
    pinned_client::client(host, &found, CONNECT_TIMEOUT).map_err(unreachable)
}

/// A client for the address that the operator configured.
fn client() -> reqwest::Result<Client> {
    #[allow(
        clippy::disallowed_methods,
        reason = "a client for one file, which does not follow redirects"
    )]
    let builder = Client::builder();
    let agent = concat!("pylon/", env!("CARGO_PKG_VERSION"));
    builder
        .user_agent(agent)
        .connect_timeout(CONNECT_TIMEOUT)
        .referer(false)
        .redirect(Policy::none())
        .use_preconfigured_tls(tls::http_config())
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

    /// Goal: the file or an error, and redirects only to public hosts or exceptions. Method: a
    /// server with a file, a missing file, an error, and redirects: to itself, in a loop, to
    /// another address of this machine with and without encryption, and to one that the operator
    /// allows.
    #[tokio::test]
    async fn a_file_or_an_error() {
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
        let message = |answer: Result<_, DownloadError>| {
            answer.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(
            message(get("/inside", &[], 9).await),
            "a redirect to 127.0.0.1: not a public address"
        );
        assert!(message(get("/open", &[], 9).await).contains("only https"));
        assert_eq!(get("/open", &[other.to_string()], 9).await.unwrap().unwrap(), b"component");
        assert!(message(get("/circle", &[], 9).await).contains("too many redirects"));
        servers.iter().for_each(tokio::task::JoinHandle::abort);
    }

    async fn listen() -> tokio::net::TcpListener {
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap()
    }
}

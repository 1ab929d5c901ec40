//! A file from an address that the operator named: bounded in bytes and time, and no redirect leads from one scheme to another. What it is, its
//! digest says; the policy for addresses of strangers does not hold here.

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, StatusCode};
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
    /// More than this.
    #[error("more than {0} bytes")]
    TooLarge(usize),
    /// Longer than this many seconds.
    #[error("not there within {0} s")]
    Slow(u64),
}

/// The file, or `None` where the server says that there is none.
pub async fn download(url: &Url, bytes_max: usize, within: Duration) -> Result<Option<Vec<u8>>, DownloadError> {
    let slow = |_| Err(DownloadError::Slow(within.as_secs()));
    tokio::time::timeout(within, fetch(url, bytes_max)).await.unwrap_or_else(slow)
}

async fn fetch(url: &Url, bytes_max: usize) -> Result<Option<Vec<u8>>, DownloadError> {
    let unreachable = |error: reqwest::Error| {
        let cause = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source()).last();
        DownloadError::Unreachable(cause.map_or_else(String::new, ToString::to_string))
    };
    let client = client(url.scheme()).map_err(unreachable)?;
    let mut response = client.get(url.clone()).send().await.map_err(unreachable)?;
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

fn client(scheme: &str) -> reqwest::Result<Client> {
    // A program that has installed its provider already keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scheme = scheme.to_owned();
    let redirects = Policy::custom(move |attempt: Attempt<'_>| {
        if attempt.previous().len() > REDIRECTS_MAX {
            attempt.error("too many redirects")
        } else if attempt.url().scheme() == scheme {
            attempt.follow()
        } else {
            attempt.error("a redirect to another scheme")
        }
    });
    #[allow(clippy::disallowed_methods, reason = "a client for one file, with its own rule for redirects")]
    let builder = Client::builder();
    let agent = concat!("pylon/", env!("CARGO_PKG_VERSION"));
    builder.user_agent(agent).connect_timeout(CONNECT_WITHIN).referer(false).redirect(redirects).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::header::LOCATION;
    use axum::routing::get;

    /// Goal: a file and nothing but it. Method: a server with a file, nothing, an error, a redirect within and one out of the scheme.
    #[tokio::test]
    async fn a_file_or_a_reason() {
        let moved = |to: &'static str| get(move || async move { (axum::http::StatusCode::FOUND, [(LOCATION, to)]) });
        let app = Router::new()
            .route("/file", get(|| async { "component" }))
            .route("/broken", get(|| async { axum::http::StatusCode::INTERNAL_SERVER_ERROR }))
            .route("/moved", moved("/file"))
            .route("/away", moved("https://127.0.0.1:9/file"))
            .route("/circle", moved("/circle"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        let get = |path: &str, max| {
            let url = Url::parse(&format!("{base}{path}")).unwrap();
            async move { download(&url, max, Duration::from_secs(30)).await }
        };
        assert_eq!(get("/file", 9).await.unwrap().unwrap(), b"component");
        assert_eq!(get("/moved", 9).await.unwrap().unwrap(), b"component");
        assert_eq!(get("/none", 9).await.unwrap(), None);
        assert!(matches!(get("/file", 8).await, Err(DownloadError::TooLarge(8))));
        assert!(matches!(get("/broken", 9).await, Err(DownloadError::Refused(500))));
        let said = |answer: Result<_, DownloadError>| answer.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said(get("/away", 9).await).contains("another scheme"));
        assert!(said(get("/circle", 9).await).contains("too many redirects"));
        server.abort();
    }
}

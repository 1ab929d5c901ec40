//! The limits that relays declare (NIP-11). Requested at each connection; the last answer is used
//! until the next.

use crate::nip90::{EVENT_BYTES_MIN, EVENT_TAGS_MIN, SizeLimit};
use nostr_sdk::prelude::{RelayUrl, Url};
use pylon_core::sync::lock;
use pylon_egress::http;
use reqwest::header::ACCEPT;
use reqwest::{Client, Response};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Timeout of the request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Larger documents are not read.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// The limits of a relay. `None` for a missing or invalid number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are the protocol's")]
pub struct Limitation {
    #[serde(deserialize_with = "lenient")]
    pub max_message_length: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub max_content_length: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub max_event_tags: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub max_subscriptions: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub max_limit: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub min_pow_difficulty: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub auth_required: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub payment_required: Option<bool>,
}

impl Limitation {
    /// The size limits for one event.
    fn size_limit(self) -> SizeLimit {
        let limit = |declared: Option<u64>, least: usize, otherwise: usize| {
            declared
                .map_or(otherwise, |limit| usize::try_from(limit).unwrap_or(usize::MAX).max(least))
        };
        let default = SizeLimit::default();
        let message_bytes = limit(self.max_message_length, EVENT_BYTES_MIN, default.message_bytes);
        // A relay that limits only the message accepts any content that fits into it.
        let content_bytes = limit(self.max_content_length, EVENT_BYTES_MIN, message_bytes);
        let tags = limit(self.max_event_tags, EVENT_TAGS_MIN, default.tags);
        SizeLimit { message_bytes, content_bytes, tags }
    }
}

/// Why the limits of a relay are not known.
#[derive(Debug, thiserror::Error)]
pub enum LimitsError {
    /// No valid answer in time.
    #[error("{0}")]
    Unreachable(String),
    /// The answer is not a valid document.
    #[error("its information document (NIP-11) cannot be read")]
    Unreadable,
}

/// The limits of all relays.
pub(super) struct RelayLimits {
    http: Client,
    known: Mutex<HashMap<RelayUrl, Limitation>>,
}

impl RelayLimits {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: http::client_with_connect_timeout(REQUEST_TIMEOUT)?,
            known: Mutex::default(),
        })
    }

    /// Requests the limits of one relay.
    pub(super) async fn refresh(self: Arc<Self>, relay: RelayUrl) {
        match fetch(&self.http, relay.as_str()).await {
            Ok(limitation) => drop(self.known().insert(relay, limitation)),
            Err(error) => {
                tracing::debug!(url = %relay, %error, "the limits of the relay are unknown")
            }
        }
    }

    pub(super) fn of(&self, relays: &[RelayUrl]) -> Vec<(String, Option<Limitation>)> {
        let known = self.known();
        relays.iter().map(|relay| (relay.to_string(), known.get(relay).copied())).collect()
    }

    /// The size limits that all of these relays accept.
    pub(super) fn size_limit(&self, relays: &[RelayUrl]) -> SizeLimit {
        let known = self.known();
        let rooms = relays.iter().map(|relay| {
            known.get(relay).map_or_else(SizeLimit::default, |declared| declared.size_limit())
        });
        rooms.reduce(SizeLimit::min).unwrap_or_default()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<RelayUrl, Limitation>> {
        lock(&self.known)
    }
}

/// Requests the document of the relay at this `ws://` or `wss://` address. A document without
/// limits means no limits.
pub async fn fetch(http: &Client, relay: &str) -> Result<Limitation, LimitsError> {
    read(ask(http, relay, REQUEST_TIMEOUT).await?).await
}

/// Requests the document. Redirects are not followed.
pub(crate) async fn ask(
    http: &Client,
    relay: &str,
    within: Duration,
) -> Result<Response, LimitsError> {
    let url = relay
        .strip_prefix("ws")
        .map(|rest| format!("http{rest}"))
        .and_then(|url| Url::parse(&url).ok());
    let url =
        url.ok_or_else(|| LimitsError::Unreachable("not a ws:// or wss:// address".into()))?;
    let request = http.get(url).header(ACCEPT, "application/nostr+json").timeout(within);
    request.send().await.map_err(|error| LimitsError::Unreachable(http::error_message(error)))
}

/// Parses the document.
pub(crate) async fn read(answer: Response) -> Result<Limitation, LimitsError> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(default, deserialize_with = "lenient")]
        limitation: Option<Limitation>,
    }
    let unreachable = |error: reqwest::Error| LimitsError::Unreachable(http::error_message(error));
    let body =
        http::read_at_most(answer.error_for_status().map_err(unreachable)?, DOCUMENT_BYTES_MAX)
            .await
            .map_err(unreachable)?;
    let document: Document = serde_json::from_slice(&body).map_err(|_| LimitsError::Unreadable)?;
    Ok(document.limitation.unwrap_or_default())
}

/// An invalid field does not affect the others.
fn lenient<'de, D: serde::Deserializer<'de>, T: serde::de::DeserializeOwned>(
    field: D,
) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(field)?;
    Ok(serde_json::from_value(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tokio::net::TcpListener;

    async fn relay_that_says(document: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            axum::serve(listener, Router::new().route("/", get(|| async { document }))).await
        });
        url
    }

    /// Goal: the smallest known limit applies, the default for an unknown relay, and absurd values
    /// are ignored. Method: one document per row.
    #[tokio::test]
    async fn the_smallest_limit_applies() {
        let default = SizeLimit::default();
        for (document, expected) in [
            ("{}", Some(default)),
            (
                r#"{"name":"r","limitation":{"max_message_length":524288}}"#,
                Some(SizeLimit { message_bytes: 524_288, content_bytes: 524_288, ..default }),
            ),
            (
                r#"{"limitation":{"max_message_length":131072,"max_content_length":65000}}"#,
                Some(SizeLimit { message_bytes: 131_072, content_bytes: 65_000, ..default }),
            ),
            (
                r#"{"limitation":{"max_message_length":-5,"max_content_length":20000}}"#,
                Some(SizeLimit { content_bytes: 20_000, ..default }),
            ),
            (
                r#"{"limitation":{"max_message_length":1,"max_event_tags":1}}"#,
                Some(SizeLimit {
                    message_bytes: EVENT_BYTES_MIN,
                    content_bytes: EVENT_BYTES_MIN,
                    tags: EVENT_TAGS_MIN,
                }),
            ),
            (r#"{"limitation":"none"}"#, Some(default)),
            ("<html>", None),
            ("", None),
        ] {
            let url = relay_that_says(document.into()).await;
            let declared = fetch(&http::client().unwrap(), &url).await;
            assert_eq!(
                declared.as_ref().ok().map(|declared| declared.size_limit()),
                expected,
                "{document}: {declared:?}"
            );
        }
        let urls = [
            relay_that_says(r#"{"limitation":{"max_message_length":524288}}"#.into()).await,
            relay_that_says(
                r#"{"limitation":{"max_message_length":262144,"max_content_length":200000}}"#
                    .into(),
            )
            .await,
        ];
        let relays: Vec<RelayUrl> = urls.iter().map(|url| RelayUrl::parse(url).unwrap()).collect();
        let limits = Arc::new(RelayLimits::new().unwrap());
        assert_eq!(limits.size_limit(&relays), default);
        Arc::clone(&limits).refresh(relays[0].clone()).await;
        assert_eq!(limits.size_limit(&relays), default, "the default applies to the other relay");
        Arc::clone(&limits).refresh(relays[1].clone()).await;
        assert_eq!(
            limits.size_limit(&relays),
            SizeLimit { message_bytes: 262_144, content_bytes: 200_000, ..default }
        );
    }

    /// Goal: a document costs bounded time and memory. Method: one that is too large, and an
    /// address that does not answer.
    #[tokio::test]
    async fn an_oversized_document_is_rejected() {
        let url =
            relay_that_says(format!("{{\"name\":\"{}\"}}", "x".repeat(DOCUMENT_BYTES_MAX))).await;
        assert!(matches!(
            fetch(&http::client().unwrap(), &url).await,
            Err(LimitsError::Unreadable)
        ));
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", silent.local_addr().unwrap());
        let http = http::client().unwrap();
        let soon = Duration::from_millis(50);
        assert!(matches!(ask(&http, &url, soon).await, Err(LimitsError::Unreachable(_))));
        assert!(matches!(fetch(&http, "https://x").await, Err(LimitsError::Unreachable(_))));
    }
}

//! The limits that relays declare (NIP-11). Requested at each connection; the last answer is used
//! until the next.

use super::clock_evidence::ClockEvidence;
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
    /// Sizes of messages on which relays closed the connection.
    refused_bytes: Mutex<HashMap<RelayUrl, usize>>,
    clock: Arc<ClockEvidence>,
}

impl RelayLimits {
    pub(super) fn new(clock: Arc<ClockEvidence>) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: http::client_with_connect_timeout(REQUEST_TIMEOUT)?,
            known: Mutex::default(),
            refused_bytes: Mutex::default(),
            clock,
        })
    }

    /// Requests the limits and the time of one relay.
    pub(super) async fn refresh(self: Arc<Self>, relay: RelayUrl) {
        let answer = ask(&self.http, relay.as_str(), REQUEST_TIMEOUT).await;
        if let Ok(answer) = &answer {
            self.clock.relay_answered(&relay, answer.headers());
        }
        let limitation = async { read(answer?).await };
        match limitation.await {
            Ok(limitation) => drop(self.known().insert(relay, limitation)),
            Err(error) => {
                tracing::debug!(url = %relay, %error, "the limits of the relay are unknown")
            }
        }
    }

    /// The relay does not accept messages of this size, whatever it declares: later answers are
    /// split into smaller parts.
    pub(super) fn accepts_less_than(&self, relay: &RelayUrl, bytes: usize) {
        let mut refused = lock(&self.refused_bytes);
        let least = refused.entry(relay.clone()).or_insert(bytes);
        *least = bytes.min(*least);
    }

    pub(super) fn of(&self, relays: &[RelayUrl]) -> Vec<(String, Option<Limitation>)> {
        let known = self.known();
        relays.iter().map(|relay| (relay.to_string(), known.get(relay).copied())).collect()
    }

    /// The size limits that all of these relays accept.
    pub(super) fn size_limit(&self, relays: &[RelayUrl]) -> SizeLimit {
        let (known, refused) = (self.known(), lock(&self.refused_bytes));
        let rooms = relays.iter().map(|relay| {
            let declared =
                known.get(relay).map_or_else(SizeLimit::default, |declared| declared.size_limit());
            match refused.get(relay) {
                Some(bytes) => SizeLimit {
                    message_bytes: declared.message_bytes.min((bytes / 2).max(EVENT_BYTES_MIN)),
                    ..declared
                },
                None => declared,
            }
        });
        rooms.reduce(SizeLimit::min).unwrap_or_default()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<RelayUrl, Limitation>> {
        lock(&self.known)
    }
}

/// Requests the document of the relay at this `ws://` or `wss://` address. Redirects are not
/// followed.
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

/// Parses the document. One without limits means no limits.
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
    use crate::market::tests::TestClock;
    use axum::Router;
    use axum::routing::get;
    use tokio::net::TcpListener;

    async fn fetch(relay: &str) -> Result<Limitation, LimitsError> {
        read(ask(&http::client().unwrap(), relay, REQUEST_TIMEOUT).await?).await
    }

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
            let declared = fetch(&url).await;
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
        let clock = Arc::new(TestClock::default());
        let limits = Arc::new(RelayLimits::new(Arc::new(ClockEvidence::new(clock))).unwrap());
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
        assert!(matches!(fetch(&url).await, Err(LimitsError::Unreadable)));
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", silent.local_addr().unwrap());
        let http = http::client().unwrap();
        let soon = Duration::from_millis(50);
        assert!(matches!(ask(&http, &url, soon).await, Err(LimitsError::Unreachable(_))));
        assert!(matches!(fetch("https://x").await, Err(LimitsError::Unreachable(_))));
    }
}

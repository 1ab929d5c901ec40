//! Probes a relay for the doctor: does it answer, what does it require (NIP-11), and what is its
//! time?

use crate::clock_offset;
use crate::market::limits::{self, Limitation};
use crate::refusal_reason;
use crate::relay_transport::RelayTransport;
use nostr_sdk::prelude::{
    Client, ClientMessage, Filter, Kind, RelayMessage, RelayNotification, RelayUrl, SubscriptionId,
};
use pylon_egress::http::{self, shorten};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The address of the relay.
    pub url: String,
    /// The time from the query to the end of the answer, once connected; or the error.
    pub latency: Result<Duration, String>,
    /// The limits that it declares, if it does.
    pub about: Option<Limitation>,
    /// It required authentication before it answered.
    pub auth_asked: bool,
    /// How far our clock is ahead of its clock.
    pub ahead_seconds: Option<i64>,
}

/// Probes a relay. Nothing is published, and no key is used.
pub async fn relay(url: &str, within: Duration) -> Probe {
    let (asked, described) = tokio::join!(ask(url, within), describe(url, within));
    let (about, ahead_seconds) = described.unwrap_or_default();
    let auth_asked = asked.as_ref().is_ok_and(|(_, auth_asked)| *auth_asked);
    Probe {
        url: url.to_owned(),
        latency: asked.map(|(latency, _)| latency),
        about,
        auth_asked,
        ahead_seconds,
    }
}

/// How long an answer took, and whether authentication was required.
async fn ask(url: &str, within: Duration) -> Result<(Duration, bool), String> {
    let url = RelayUrl::parse(url).map_err(|error| error.to_string())?;
    let client = Client::builder().websocket_transport(RelayTransport).build();
    let asked = async {
        let error_message = |error: &dyn std::fmt::Display| shorten(&error.to_string());
        client.add_relay(&url).await.map_err(|error| error_message(&error))?;
        let relay = client.relay(&url).await.map_err(|error| error_message(&error))?;
        let mut notifications = relay.notifications();
        relay.try_connect(within).await.map_err(|error| error_message(&error))?;
        let begun = Instant::now();
        let question = Filter::new().kind(Kind::Custom(31_990)).limit(1);
        let question = ClientMessage::req(SubscriptionId::new("pylon-doctor"), vec![question]);
        relay.send_msg(question).map_err(|error| error_message(&error))?;
        loop {
            let notification = notifications.recv().await.map_err(|error| error_message(&error))?;
            match notification {
                RelayNotification::Message { message: RelayMessage::EndOfStoredEvents(_) } => {
                    return Ok((begun.elapsed(), false));
                }
                RelayNotification::Message { message: RelayMessage::Closed { message, .. } } => {
                    let is_auth_required = message.starts_with("auth-required");
                    return if is_auth_required {
                        Ok((begun.elapsed(), true))
                    } else {
                        Err(format!("refuses: {}", refusal_reason(&message)))
                    };
                }
                _ => {}
            }
        }
    };
    let answer = timeout(within, asked)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", within.as_secs())));
    client.shutdown().await;
    answer
}

async fn describe(url: &str, within: Duration) -> Option<(Option<Limitation>, Option<i64>)> {
    let answer =
        limits::ask(&http::client_with_connect_timeout(within).ok()?, url, within).await.ok()?;
    let ahead = clock_offset::ahead_of(answer.headers(), crate::now());
    Some((limits::read(answer).await.ok(), ahead))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::InProcessRelay;
    use axum::Router;
    use axum::routing::get;
    use nostr_relay_builder::RelayBuilder;
    use nostr_relay_builder::builder::RelayBuilderNip42;
    use tokio::net::TcpListener;

    const TEST_TIMEOUT: Duration = Duration::from_secs(20);

    /// Goal: a relay that can be reached answers, also if it requires authentication. Method: one
    /// of each.
    #[tokio::test(flavor = "multi_thread")]
    async fn reachable_relays_answer() {
        let plain = InProcessRelay::start().await.unwrap();
        let seen = relay(plain.url(), TEST_TIMEOUT).await;
        assert!(seen.latency.is_ok() && !seen.auth_asked && seen.about.is_none(), "{seen:?}");
        let curious = RelayBuilder::default().nip42(RelayBuilderNip42::default());
        let curious = InProcessRelay::start_with(curious).await.unwrap();
        let seen = relay(curious.url(), TEST_TIMEOUT).await;
        assert!(seen.latency.is_ok() && seen.auth_asked, "{seen:?}");
    }

    /// Goal: the declared limits and the time of a relay are read, and an error is one line.
    /// Method: a server with only an information document.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_information_document_without_a_relay() {
        let about = r#"{"name": "x", "limitation": {"max_message_length": 5000, "max_subscriptions": 3, "auth_required": true}}"#;
        let app = Router::new().route(
            "/",
            get(move || async move { ([("date", "Sun, 06 Nov 1994 08:49:37 GMT")], about) }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        let seen = relay(&url, TEST_TIMEOUT).await;
        assert!(seen.latency.is_err_and(|message| !message.contains('\n')));
        let expected = Limitation {
            max_message_length: Some(5000),
            max_subscriptions: Some(3),
            auth_required: Some(true),
            ..Limitation::default()
        };
        assert_eq!(seen.about, Some(expected));
        assert!(seen.ahead_seconds.unwrap() > 30 * 365 * 24 * 3600, "its clock shows 1994");
        server.abort();
        assert!(relay(&url, Duration::from_millis(1)).await.latency.is_err());
        assert!(relay("nonsense", TEST_TIMEOUT).await.latency.is_err());
    }
}

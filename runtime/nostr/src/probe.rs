//! One look at a relay, for an operator who wonders: does it answer, what does it demand (NIP-11), and what time does it have?

use crate::market::limits::{self, Limitation};
use nostr_sdk::prelude::{
    Client, ClientMessage, Filter, Kind, RelayMessage, RelayNotification, RelayUrl, SubscriptionId,
};
use pylon_egress::http::{self, in_short};
use reqwest::header::DATE;
use std::time::{Duration, Instant, SystemTime};
use tokio::time::timeout;

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Of which relay.
    pub url: String,
    /// From the question to the end of the answer, once connected; or why there is none, in words.
    pub latency: Result<Duration, String>,
    /// What it says of itself, if anything.
    pub about: Option<Limitation>,
    /// It wanted to know who asks before it answered.
    pub auth_asked: bool,
    /// How far our clock is ahead of its own.
    pub ahead_seconds: Option<i64>,
}

/// Looks at a relay. Nothing is published, and no key is used.
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

/// How long an answer took, and whether it was the question who we are.
async fn ask(url: &str, within: Duration) -> Result<(Duration, bool), String> {
    let url = RelayUrl::parse(url).map_err(|error| error.to_string())?;
    let client = Client::default();
    let asked = async {
        let in_words = |error: &dyn std::fmt::Display| in_short(&error.to_string());
        client.add_relay(&url).await.map_err(|error| in_words(&error))?;
        let relay = client.relay(&url).await.map_err(|error| in_words(&error))?;
        let mut heard = relay.notifications();
        relay.try_connect(within).await.map_err(|error| in_words(&error))?;
        let begun = Instant::now();
        let question = Filter::new().kind(Kind::Custom(31_990)).limit(1);
        let question = ClientMessage::req(SubscriptionId::new("pylon-doctor"), vec![question]);
        relay.send_msg(question).map_err(|error| in_words(&error))?;
        loop {
            let notification = heard.recv().await.map_err(|error| in_words(&error))?;
            match notification {
                RelayNotification::Message { message: RelayMessage::EndOfStoredEvents(_) } => {
                    return Ok((begun.elapsed(), false));
                }
                RelayNotification::Message { message: RelayMessage::Closed { message, .. } } => {
                    let who = message.starts_with("auth-required");
                    return if who {
                        Ok((begun.elapsed(), true))
                    } else {
                        Err(format!("refuses: {}", in_short(&message)))
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
    let answer = limits::ask(&http::client_within(within).ok()?, url, within).await.ok()?;
    let ahead = answer.headers().get(DATE).and_then(|date| ahead(date.to_str().ok()?));
    Some((limits::read(answer).await.ok(), ahead))
}

/// Our clock without that of a `Date`, which has whole seconds.
fn ahead(date: &str) -> Option<i64> {
    let seconds = |time: SystemTime| {
        i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok()
    };
    seconds(SystemTime::now())?.checked_sub(seconds(httpdate::parse_http_date(date).ok()?)?)
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

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Goal: a relay that is there answers, also one that asks back. Method: a plain one, and one that wants to know who asks.
    #[tokio::test(flavor = "multi_thread")]
    async fn relays_that_answer() {
        let plain = InProcessRelay::start().await.unwrap();
        let seen = relay(plain.url(), PATIENCE).await;
        assert!(seen.latency.is_ok() && !seen.auth_asked && seen.about.is_none(), "{seen:?}");
        let curious = RelayBuilder::default().nip42(RelayBuilderNip42::default());
        let curious = InProcessRelay::start_with(curious).await.unwrap();
        let seen = relay(curious.url(), PATIENCE).await;
        assert!(seen.latency.is_ok() && seen.auth_asked, "{seen:?}");
    }

    /// Goal: a relay's own words and time are read, and what is no relay is told in words. Method: a server that only describes itself.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_description_without_a_relay() {
        let about = r#"{"name": "x", "limitation": {"max_message_length": 5000, "max_subscriptions": 3, "auth_required": true}}"#;
        let app = Router::new().route(
            "/",
            get(move || async move { ([("date", "Sun, 06 Nov 1994 08:49:37 GMT")], about) }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await });
        let seen = relay(&url, PATIENCE).await;
        assert!(seen.latency.is_err_and(|message| !message.contains('\n')));
        let expected = Limitation {
            max_message_length: Some(5000),
            max_subscriptions: Some(3),
            auth_required: Some(true),
            ..Limitation::default()
        };
        assert_eq!(seen.about, Some(expected));
        assert!(seen.ahead_seconds.unwrap() > 30 * 365 * 24 * 3600, "its clock stands in 1994");
        server.abort();
        assert!(relay(&url, Duration::from_millis(1)).await.latency.is_err());
        assert!(relay("nonsense", PATIENCE).await.latency.is_err());
    }
}

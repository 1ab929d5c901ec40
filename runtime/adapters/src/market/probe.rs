//! One look at a relay, for an operator who wonders: does it answer, what does it demand (NIP-11), and what time does it have?

use crate::inference::http::{in_short, read_at_most};
use nostr_sdk::prelude::{Client, Filter, Kind, RelayUrl};
use reqwest::header::{ACCEPT, DATE};
use serde::Deserialize;
use std::time::{Duration, Instant, SystemTime};
use tokio::time::timeout;

/// A description is a page at most.
const ABOUT_BYTES_MAX: usize = 64 * 1024;
const ABOUT_TYPE: &str = "application/nostr+json";

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Of which relay.
    pub url: String,
    /// From the question to the end of the answer, once connected; or why there is none, in words.
    pub latency: Result<Duration, String>,
    /// What it says of itself, if anything.
    pub about: Option<About>,
    /// It wanted to know who asks before it answered.
    pub auth_asked: bool,
    /// How far our clock is ahead of its own.
    pub ahead_seconds: Option<i64>,
}

/// A relay's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The largest message it takes.
    pub max_message_bytes: Option<u64>,
    /// Subscriptions at once.
    pub max_subscriptions: Option<u64>,
    /// It must know who we are.
    pub auth_required: bool,
    /// It must be paid.
    pub payment_required: bool,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    limitation: Limitation,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Limitation {
    max_message_length: Option<u64>,
    max_subscriptions: Option<u64>,
    auth_required: bool,
    payment_required: bool,
}

/// Looks at a relay. Nothing is published, and no key is used.
pub async fn relay(url: &str, within: Duration) -> Probe {
    let (asked, described) = tokio::join!(ask(url, within), describe(url, within));
    let (about, ahead_seconds) = described.unwrap_or_default();
    let auth_asked = asked.as_ref().is_ok_and(|(_, auth_asked)| *auth_asked);
    Probe { url: url.to_owned(), latency: asked.map(|(latency, _)| latency), about, auth_asked, ahead_seconds }
}

/// How long an answer took, and whether it was the question who we are.
async fn ask(url: &str, within: Duration) -> Result<(Duration, bool), String> {
    let url = RelayUrl::parse(url).map_err(|error| error.to_string())?;
    let client = Client::default();
    let asked = async {
        client.add_relay(&url).await.map_err(|error| in_short(&error.to_string()))?;
        client.try_connect_relay(&url, within).await.map_err(|error| in_short(&error.to_string()))?;
        let begun = Instant::now();
        let filter = Filter::new().kind(Kind::Custom(31_990)).limit(1);
        match client.fetch_events_from([&url], filter, within).await.map_err(|error| in_short(&error.to_string())) {
            Ok(_) => Ok((begun.elapsed(), false)),
            Err(words) if words.contains("auth-required") => Ok((begun.elapsed(), true)),
            Err(words) => Err(words),
        }
    };
    let answer = timeout(within, asked).await.unwrap_or_else(|_| Err(format!("no answer within {} s", within.as_secs())));
    client.shutdown().await;
    answer
}

async fn describe(url: &str, within: Duration) -> Option<(Option<About>, Option<i64>)> {
    let rest = url.strip_prefix("ws")?;
    #[allow(clippy::disallowed_methods, reason = "relays are far: the deadlines of the one client are for backends")]
    let http = reqwest::Client::builder().timeout(within).redirect(reqwest::redirect::Policy::none()).no_proxy().build().ok()?;
    let response = http.get(format!("http{rest}")).header(ACCEPT, ABOUT_TYPE).send().await.ok()?;
    let ahead = response.headers().get(DATE).and_then(|date| ahead(date.to_str().ok()?));
    let body = read_at_most(response, ABOUT_BYTES_MAX).await.ok()?;
    let about = serde_json::from_slice(&body).ok().map(|Document { limitation }| About {
        max_message_bytes: limitation.max_message_length,
        max_subscriptions: limitation.max_subscriptions,
        auth_required: limitation.auth_required,
        payment_required: limitation.payment_required,
    });
    Some((about, ahead))
}

/// Our clock without that of a `Date`, which has whole seconds.
fn ahead(date: &str) -> Option<i64> {
    let seconds = |time: SystemTime| i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok();
    seconds(SystemTime::now())?.checked_sub(seconds(httpdate::parse_http_date(date).ok()?)?)
}

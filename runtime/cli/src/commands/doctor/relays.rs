//! Does each relay answer, how fast, and what does it demand?

use super::Row;
use futures::future::join_all;
use pylon_nostr::probe::{self, Probe};
use std::time::Duration;

const CHECK: &str = "relay";
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
/// Longer than this and others are faster.
const SLOW: Duration = Duration::from_secs(2);
/// A result of ordinary length with its tags.
const MESSAGE_BYTES_WANTED: u64 = 64 * 1024;

pub(super) async fn look(urls: &[String]) -> Vec<Probe> {
    join_all(urls.iter().map(|url| probe::relay(url, ANSWER_WITHIN))).await
}

pub(super) fn check(probe: &Probe) -> Row {
    let url = &probe.url;
    let latency = match &probe.latency {
        Ok(latency) => *latency,
        Err(error) => {
            return Row::broken(
                CHECK,
                format!("{url}: {error}"),
                "check the address and the network, or take it out of `relays`",
            );
        }
    };
    let found = format!("{url} answers in {} ms{}", latency.as_millis(), limits(probe));
    let narrow = probe
        .about
        .as_ref()
        .and_then(|about| about.max_message_length)
        .is_some_and(|most| most < MESSAGE_BYTES_WANTED);
    let paid = probe.about.as_ref().is_some_and(|about| about.payment_required == Some(true));
    if paid {
        Row::warning(
            CHECK,
            found,
            "it wants to be paid before it takes events: pay there, or take it out of `relays`",
        )
    } else if narrow {
        Row::warning(CHECK, found, "long results do not fit: keep another relay beside it")
    } else if latency > SLOW {
        Row::warning(CHECK, found, "it is slow: keep a faster one beside it")
    } else {
        Row::ok(CHECK, found)
    }
}

fn limits(probe: &Probe) -> String {
    let Some(about) = &probe.about else { return " (it does not describe itself)".into() };
    let mut told = Vec::new();
    told.extend(about.max_message_length.map(|most| format!("messages up to {most} bytes")));
    told.extend(about.max_subscriptions.map(|most| format!("{most} subscriptions")));
    told.extend(
        (about.auth_required == Some(true) || probe.auth_asked)
            .then(|| "asks who we are (NIP-42), which a node answers".into()),
    );
    told.extend((about.payment_required == Some(true)).then(|| "wants to be paid".into()));
    if told.is_empty() { String::new() } else { format!("; {}", told.join(", ")) }
}

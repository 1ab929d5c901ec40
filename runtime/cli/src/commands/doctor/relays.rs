//! Checks that each relay responds, how fast, and with which limits.

use super::row::CheckRow;
use futures::future::join_all;
use pylon_nostr::probe::{Probe, relay};
use std::time::Duration;

const CHECK: &str = "relay";
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(6);
/// A slower relay is reported.
const LATENCY_MAX: Duration = Duration::from_secs(2);
/// A result of usual length with its tags.
const MESSAGE_BYTES_MIN: u64 = 64 * 1024;

pub(super) async fn probe(urls: &[String]) -> Vec<Probe> {
    join_all(urls.iter().map(|url| relay(url, RESPONSE_TIMEOUT))).await
}

/// A node works as long as one relay responds.
pub(super) fn check(probes: &[Probe]) -> Vec<CheckRow> {
    let is_any_alive = probes.iter().any(|probe| probe.latency.is_ok());
    let row = |probe: &Probe| match &probe.latency {
        Ok(latency) => responding(probe, *latency),
        Err(error) => failed(format!("{}: {error}", probe.url), is_any_alive),
    };
    probes.iter().map(row).collect()
}

fn failed(detail: String, is_another_alive: bool) -> CheckRow {
    let hint = "check the address and the network, or remove it from `relays`";
    if is_another_alive {
        CheckRow::warning(CHECK, detail, hint)
    } else {
        CheckRow::broken(CHECK, detail, hint)
    }
}

fn responding(probe: &Probe, latency: Duration) -> CheckRow {
    let url = &probe.url;
    let detail = format!("{url} responds in {} ms{}", latency.as_millis(), limits(probe));
    let is_small = probe
        .about
        .as_ref()
        .and_then(|about| about.max_message_length)
        .is_some_and(|max| max < MESSAGE_BYTES_MIN);
    let is_paid = probe.about.as_ref().is_some_and(|about| about.payment_required == Some(true));
    if is_paid {
        CheckRow::warning(
            CHECK,
            detail,
            "this relay requires a payment: pay it, or remove it from `relays`",
        )
    } else if is_small {
        CheckRow::warning(CHECK, detail, "it rejects long results: add another relay")
    } else if latency > LATENCY_MAX {
        CheckRow::warning(CHECK, detail, "it is slow: add a faster relay")
    } else {
        CheckRow::ok(CHECK, detail)
    }
}

fn limits(probe: &Probe) -> String {
    let Some(about) = &probe.about else { return " (without an information document)".into() };
    let mut limits = Vec::new();
    limits.extend(about.max_message_length.map(|max| format!("messages up to {max} bytes")));
    limits.extend(about.max_subscriptions.map(|max| format!("{max} subscriptions")));
    limits.extend(
        (about.auth_required == Some(true) || probe.auth_asked)
            .then(|| "requires authentication (NIP-42), which a node supports".into()),
    );
    limits.extend((about.payment_required == Some(true)).then(|| "requires a payment".into()));
    if limits.is_empty() { String::new() } else { format!("; {}", limits.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::super::row::CheckState;
    use super::*;

    /// Goal: only without any relay the node cannot work. Method: one dead relay of two, and two.
    #[test]
    fn dead_relay_is_broken_only_without_another() {
        let probe = |latency: Result<Duration, String>| Probe {
            url: "wss://x".into(),
            latency,
            about: None,
            auth_asked: false,
            ahead_seconds: None,
        };
        let dead = || probe(Err("connection refused".into()));
        let states =
            |probes: &[Probe]| check(probes).iter().map(|row| row.state).collect::<Vec<_>>();
        let alive = probe(Ok(Duration::from_millis(1)));
        assert_eq!(states(&[dead(), alive]), [CheckState::Warning, CheckState::Ok]);
        assert_eq!(states(&[dead(), dead()]), [CheckState::Broken, CheckState::Broken]);
    }
}

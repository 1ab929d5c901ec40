//! Checks that customers can find this node: reads its announcement (NIP-89) from each relay.

use super::row::CheckRow;
use crate::args::Mode;
use pylon_control_api::Status;
use pylon_node::home::Home;
use pylon_node::identity::Identity;
use pylon_nostr::identity::public_key;
use pylon_nostr::market::read_announcement;
use std::time::{Duration, Instant};

const CHECK: &str = "announcement";
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(6);
/// A node publishes its announcement within this time after it started.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// `node` is the status of the running node.
pub(super) async fn check(home: &Home, relays: &[String], node: Option<&Status>) -> Vec<CheckRow> {
    if node.is_some_and(|status| status.daemon.modes == Mode::Host.names()) {
        return vec![CheckRow::ok(CHECK, "none: the node serves local clients only")];
    }
    // A missing identity is reported by another check.
    let Ok(identity) = Identity::load(home) else { return Vec::new() };
    let (keys, deadline) = (identity.keys(), Instant::now() + publish_time(node));
    loop {
        let found = read_announcement(keys, public_key(keys), relays, RESPONSE_TIMEOUT).await;
        let is_missing = found.iter().any(|(_, announced)| matches!(announced, Ok(None)));
        if !is_missing || Instant::now() >= deadline {
            let kinds = found
                .into_iter()
                .map(|(url, found)| (url, found.map(|found| found.map(|one| one.kinds))));
            return kinds.map(|(url, kinds)| row(&url, kinds)).collect();
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The time that a node which has just started still has to publish.
fn publish_time(node: Option<&Status>) -> Duration {
    let can_publish = |status: &&Status| status.backends.iter().any(|backend| backend.available);
    node.filter(can_publish).map_or(Duration::ZERO, |status| {
        PUBLISH_TIMEOUT.saturating_sub(Duration::from_secs(status.daemon.uptime_secs))
    })
}

/// `kinds` are those of the announcement on this relay.
fn row(url: &str, kinds: Result<Option<Vec<u16>>, String>) -> CheckRow {
    match kinds {
        Ok(Some(kinds)) => {
            let kinds: Vec<_> = kinds.iter().map(u16::to_string).collect();
            CheckRow::ok(CHECK, format!("published on {url} for kinds {}", kinds.join(", ")))
        }
        Ok(None) => CheckRow::warning(
            CHECK,
            format!("none on {url}"),
            "a running node with a backend publishes it: start the node and check the backends",
        ),
        Err(error) => CheckRow::warning(
            CHECK,
            format!("cannot be read on {url}: {error}"),
            "see the row of this relay",
        ),
    }
}

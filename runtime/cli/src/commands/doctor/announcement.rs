//! Checks that customers can find this node: reads its announcement (NIP-89) from each relay.

use super::row::CheckRow;
use crate::args::Mode;
use pylon_node::home::Home;
use pylon_node::identity::Identity;
use pylon_nostr::identity::public_key;
use pylon_nostr::market::read_announcement;
use std::time::Duration;

const CHECK: &str = "announcement";
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(6);

/// `modes` are those of the running node.
pub(super) async fn check(
    home: &Home,
    relays: &[String],
    modes: Option<&[String]>,
) -> Vec<CheckRow> {
    if modes.is_some_and(|modes| modes == Mode::Host.names()) {
        return vec![CheckRow::ok(CHECK, "none: the node serves local clients only")];
    }
    // A missing identity is reported by another check.
    let Ok(identity) = Identity::load(home) else { return Vec::new() };
    let keys = identity.keys();
    let announcements = read_announcement(keys, public_key(keys), relays, RESPONSE_TIMEOUT).await;
    announcements
        .into_iter()
        .map(|(url, announced)| match announced {
            Ok(Some(announced)) if !announced.kinds.is_empty() => {
                let kinds: Vec<_> = announced.kinds.iter().map(u16::to_string).collect();
                CheckRow::ok(CHECK, format!("published on {url} for kinds {}", kinds.join(", ")))
            }
            Ok(_) => CheckRow::warning(
                CHECK,
                format!("none on {url}"),
                "a running node with a backend publishes it: start the node and check the backends",
            ),
            Err(error) => CheckRow::warning(
                CHECK,
                format!("cannot be read on {url}: {error}"),
                "see the row of this relay",
            ),
        })
        .collect()
}

//! Can customers find this node? Its announcement (NIP-89), read back from each relay as a customer would.

use super::Row;
use crate::args::Mode;
use pylon_node::home::Home;
use pylon_node::identity::Identity;
use pylon_nostr::identity::public_key;
use pylon_nostr::market::read_announcement;
use std::time::Duration;

const CHECK: &str = "presence";
const ANSWER_WITHIN: Duration = Duration::from_secs(6);

/// `modes` are those of the node that runs.
pub(super) async fn check(home: &Home, relays: &[String], modes: Option<&[String]>) -> Vec<Row> {
    if modes.is_some_and(|modes| modes == Mode::Host.names()) {
        return vec![Row::ok(CHECK, "none: the node serves this machine only")];
    }
    // Without an identity there is nobody to be found, and that is another row.
    let Ok(identity) = Identity::load(home) else { return Vec::new() };
    let keys = identity.keys();
    let found = read_announcement(keys, public_key(keys), relays, ANSWER_WITHIN).await;
    found
        .into_iter()
        .map(|(url, announced)| match announced {
            Ok(Some(announced)) if !announced.kinds.is_empty() => {
                let kinds: Vec<_> = announced.kinds.iter().map(u16::to_string).collect();
                Row::ok(CHECK, format!("announcement readable on {url}, for kinds {}", kinds.join(", ")))
            }
            Ok(_) => Row::warning(
                CHECK,
                format!("no announcement on {url}"),
                "a node at work with a backend announces itself: start it, and look at the backends",
            ),
            Err(error) => Row::warning(CHECK, format!("announcement not readable on {url}: {error}"), "see the relay's own row"),
        })
        .collect()
}

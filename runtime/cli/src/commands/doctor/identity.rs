//! Is there an identity, for nobody else's eyes, with words that fit together?

use super::Row;
use pylon_node::home::Home;
use pylon_node::identity::Identity;

const CHECK: &str = "identity";

pub(super) fn check(home: &Home) -> Row {
    match Identity::load(home) {
        Ok(identity) => Row::ok(CHECK, identity.npub()),
        // The line says what to do itself.
        Err(error) => Row::broken(
            CHECK,
            format!("{error:#}"),
            "a node signs with it: make one, or put your recovery phrase back",
        ),
    }
}

//! Checks that the identity exists, is private and is valid.

use super::row::Row;
use pylon_node::home::Home;
use pylon_node::identity::Identity;

const CHECK: &str = "identity";

pub(super) fn check(home: &Home) -> Row {
    match Identity::load(home) {
        Ok(identity) => Row::ok(CHECK, identity.npub()),
        Err(error) => Row::broken(
            CHECK,
            format!("{error:#}"),
            "create it with `pylon init`, or restore your recovery phrase",
        ),
    }
}

//! Checks that the identity exists, is private and is valid.

use super::row::CheckRow;
use pylon_node::home::Home;
use pylon_node::identity::Identity;

const CHECK: &str = "identity";

pub(super) fn check(home: &Home) -> CheckRow {
    match Identity::load(home) {
        Ok(identity) => CheckRow::ok(CHECK, identity.npub()),
        Err(error) => CheckRow::broken(
            CHECK,
            format!("{error:#}"),
            "create it with `pylon init`, or restore your recovery phrase",
        ),
    }
}

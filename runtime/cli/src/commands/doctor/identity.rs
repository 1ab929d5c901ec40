//! Checks that the identity exists, is private and is valid.

use super::row::CheckRow;
use pylon_node::home::Home;
use pylon_node::identity::Identity;

const CHECK: &str = "identity";

pub(super) fn check(home: &Home) -> CheckRow {
    match Identity::load(home) {
        Ok(identity) => CheckRow::ok(CHECK, identity.npub()),
        Err(error) => {
            let error = format!("{error:#}");
            // A file that others can read is not to be replaced.
            match error.split_once(": run `chmod ") {
                Some((detail, rest)) => {
                    CheckRow::broken(CHECK, detail, format!("run `chmod {rest}"))
                }
                None => CheckRow::broken(
                    CHECK,
                    error,
                    "create it with `pylon init`, or restore your recovery phrase",
                ),
            }
        }
    }
}

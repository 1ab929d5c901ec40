//! Checks whether a node runs and responds.

use super::row::CheckRow;
use pylon_control_api::{Client, ClientError};
use pylon_core::units::span;
use pylon_node::home::Home;
use pylon_node::lock::{LockHolder, LockOwner};

const CHECK: &str = "node";

pub(super) async fn check(home: &Home) -> CheckRow {
    let owner = match home.lock_owner() {
        Ok(owner) => owner,
        Err(error) => {
            return CheckRow::broken(
                CHECK,
                format!("{error:#}"),
                "make the state folder readable for this user",
            );
        }
    };
    match (owner, Client::new(home.socket()).status().await) {
        (_, Ok(status)) => CheckRow::ok(
            CHECK,
            format!("running (PID {}) for {}", status.daemon.pid, span(status.daemon.uptime_secs)),
        ),
        (None, Err(ClientError::NotRunning)) => CheckRow::ok(CHECK, "not running (`pylon start`)"),
        (Some(LockOwner { holder: LockHolder::Command, .. }), Err(ClientError::NotRunning)) => {
            CheckRow::ok(CHECK, "not running; a command is using this home")
        }
        (Some(_), Err(ClientError::NotRunning)) => {
            CheckRow::warning(CHECK, "starting or stopping", "run this command again in a moment")
        }
        (_, Err(error)) => CheckRow::broken(
            CHECK,
            error.to_string(),
            "check its log, then run `pylon stop --force` and `pylon start`",
        ),
    }
}

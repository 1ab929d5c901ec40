//! Does a node run, and does it answer?

use super::Row;
use pylon_control_api::{Client, ClientError};
use pylon_core::units::span;
use pylon_node::home::{Holder, Home, Runner};

const CHECK: &str = "node";

pub(super) async fn check(home: &Home) -> Row {
    let runner = match home.runner() {
        Ok(runner) => runner,
        Err(error) => {
            return Row::broken(
                CHECK,
                format!("{error:#}"),
                "make the folder readable for this user",
            );
        }
    };
    match (runner, Client::new(home.socket()).status().await) {
        (_, Ok(status)) => Row::ok(
            CHECK,
            format!("runs (PID {}) for {}", status.daemon.pid, span(status.daemon.uptime_secs)),
        ),
        (None, Err(ClientError::NotRunning)) => Row::ok(CHECK, "does not run (`pylon start`)"),
        (Some(Runner { holder: Holder::Command, .. }), Err(ClientError::NotRunning)) => {
            Row::ok(CHECK, "does not run; a command is at work on this home")
        }
        (Some(_), Err(ClientError::NotRunning)) => {
            Row::warning(CHECK, "is starting or stopping", "look again in a moment")
        }
        (_, Err(error)) => Row::broken(
            CHECK,
            error.to_string(),
            "see its log, then `pylon stop --force` and `pylon start`",
        ),
    }
}

//! `pylon events`: the latest events of the running node, and optionally all later ones.

use crate::args::EventsArgs;
use crate::output::print;
use anyhow::Result;
use pylon_control_api::{Client, ClientError};
use pylon_core::UnixTime;
use pylon_core::text::{escape_json, sanitize_line};
use pylon_core::units::format_utc;
use pylon_node::home::Home;
use serde_json::Value;

/// Prints one event per line.
pub(crate) fn run(args: &EventsArgs) -> Result<()> {
    let (home, limit) = (Home::from_env()?, args.limit as usize);
    let client = Client::new(home.socket());
    let show = |line: &str| {
        if args.json {
            print(&format!("{}\n", escape_json(line)))
        } else {
            print(&format!("{}\n", row(line)))
        }
    };
    super::block_on(async {
        if args.follow {
            return client.follow(limit, show).await?;
        }
        let events = match client.events(limit).await {
            // Without a database no node has run on this home.
            Err(ClientError::NotRunning) if !home.database().exists() => return Ok(()),
            events => events?.events,
        };
        let lines: Vec<_> = events.iter().map(Value::to_string).collect();
        lines.iter().try_for_each(|line| show(line))
    })
}

/// Time, name and fields: `2026-01-31 12:00:00  JobStarted  job_id=… model=…`.
fn row(line: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
        return sanitize_line(line);
    };
    let name = match fields.remove("event") {
        Some(Value::String(name)) => name,
        _ => "Skipped".into(),
    };
    let at = fields
        .remove("timestamp")
        .and_then(|at| at.as_u64())
        .map(|at| format_utc(UnixTime::new(at)));
    let fields = fields.iter().map(|(key, value)| match value {
        Value::String(text) => format!("{key}={text}"),
        other => format!("{key}={other}"),
    });
    sanitize_line(&format!(
        "{:<19}  {name:<19}  {}",
        at.unwrap_or_default(),
        fields.collect::<Vec<_>>().join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::row;

    /// Goal: an event is one readable line without control characters. Method: an event with an
    /// escape sequence, and a gap.
    #[test]
    fn event_is_one_sanitized_line() {
        let line =
            r#"{"event":"JobFailed","job_id":"ab","error":"no\u001b[2J","timestamp":1767225600}"#;
        assert_eq!(
            row(line),
            "2026-01-01 00:00:00  JobFailed            error=no\u{fffd}[2J job_id=ab"
        );
        assert_eq!(row(r#"{"skipped":3}"#).trim(), "Skipped              skipped=3");
    }
}

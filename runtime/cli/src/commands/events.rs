//! `pylon events`: the latest events of the running node, and optionally all later ones.

use crate::args::EventsArgs;
use crate::output::{BrokenPipe, Screen, closed, paragraph, print};
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
        let text = if args.json { format!("{}\n", escape_json(line)) } else { row(line) };
        print(&text)
    };
    super::block_on(async {
        if args.follow {
            return tokio::select! {
                () = closed() => Err(BrokenPipe.into()),
                ended = client.follow(limit, show) => ended?,
            };
        }
        // One more than shown, so that a cut is known.
        let events = match client.events(limit + 1).await {
            // Without a database no node has run on this home.
            Err(ClientError::NotRunning) if !home.database().exists() => return Ok(()),
            events => events?.events,
        };
        let skipped = events.len().saturating_sub(limit);
        if skipped > 0 && !args.json {
            print("…\n")?;
        }
        events.iter().skip(skipped).try_for_each(|event| show(&event.to_string()))
    })
}

/// Time, name and fields: `2026-01-31 12:00:00  JobStarted  job_id=… model=…`.
fn row(line: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
        return paragraph("", &sanitize_line(line));
    };
    let name = match fields.remove("event") {
        Some(Value::String(name)) => name,
        _ => "Skipped".into(),
    };
    let at = fields
        .remove("timestamp")
        .and_then(|at| at.as_u64())
        .map(|at| format_utc(UnixTime::new(at)));
    let is_screen = Screen::open().is_some();
    let fields = fields.iter().map(|(key, value)| match value {
        Value::String(text) if is_screen && is_id(text) => format!("{key}={}…", short(text)),
        Value::String(text) => format!("{key}={text}"),
        other => format!("{key}={other}"),
    });
    let head = format!("{:<19}  {:<19}  ", at.unwrap_or_default(), sanitize_line(&name));
    paragraph(&head, &sanitize_line(&fields.collect::<Vec<_>>().join(" ")))
}

/// Ids and keys have 64 digits; commands accept the first of them.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
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
            "2026-01-01 00:00:00  JobFailed            error=no\u{fffd}[2J job_id=ab\n"
        );
        assert_eq!(row(r#"{"skipped":3}"#).trim(), "Skipped              skipped=3");
    }
}

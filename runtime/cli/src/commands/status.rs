//! `pylon status`: whether a node runs here, and how it does.

use crate::args::JsonArgs;
use crate::earnings::{not_taken, owed_back};
use crate::output::{self, SaidNo, say};
use anyhow::Result;
use pylon_control_api::{Backend, Client, ClientError, Status};
use pylon_core::Msat;
use pylon_core::text::sanitize_line;
use pylon_core::units::{sats, span};
use pylon_node::home::{Holder, Home};
use std::fmt::Write as _;

/// The kinds that agents do.
const BAZAAR_KINDS: std::ops::RangeInclusive<u16> = 5930..=5933;

/// Asks the node. That none runs is an answer, and exit code 1.
pub(crate) fn run(args: &JsonArgs) -> Result<()> {
    let home = Home::from_env()?;
    let status = super::block_on(async {
        match Client::new(home.socket()).status().await {
            Ok(status) => Ok(Some(status)),
            Err(ClientError::NotRunning) => Ok(None),
            Err(error) => Err(error.into()),
        }
    })?;
    match status {
        Some(status) if args.json => output::json(&status),
        Some(status) => say(&page(&status)),
        None => {
            let starting = home.runner()?.is_some_and(|runner| runner.holder == Holder::Node);
            match (args.json, starting) {
                (true, _) => output::json(&Status::default())?,
                (false, true) => say("Daemon: Starting\n")?,
                (false, false) => say("Daemon: Not running\n")?,
            }
            Err(SaidNo.into())
        }
    }
}

/// The block of the provider document.
fn page(status: &Status) -> String {
    let mut out = format!(
        "Daemon: Running (PID: {})\nUptime: {}\n",
        status.daemon.pid,
        span(status.daemon.uptime_secs)
    );
    if !status.daemon.modes.is_empty() {
        let _ = writeln!(out, "Modes:  {}", status.daemon.modes.join(", "));
    }
    let _ = writeln!(out, "\nSession Stats:\n  Jobs completed: {}", status.stats.jobs_completed);
    let _ = writeln!(out, "  Earnings: {}", sats(Msat::new(status.stats.earnings_msats)));
    out.push_str(&not_taken(&status.refused));
    out.push_str(&owed_back(Msat::new(status.stats.refund_due_msats)));
    let _ = writeln!(out, "\nInference Backends:\n  Available: {}", available(&status.backends));
    if !status.agent_backends.is_empty() {
        let _ =
            writeln!(out, "\nAgent Backends:\n  Available: {}", status.agent_backends.join(", "));
        let kinds: Vec<_> = status
            .kinds
            .iter()
            .filter(|kind| BAZAAR_KINDS.contains(kind))
            .map(u16::to_string)
            .collect();
        if !kinds.is_empty() {
            let _ = writeln!(out, "  Supported Bazaar Kinds: {}", kinds.join(", "));
        }
    }
    if !status.relays.is_empty() {
        out.push_str("\nRelays:\n");
        for relay in &status.relays {
            let _ = writeln!(
                out,
                "  {}{}",
                sanitize_line(&relay.url),
                if relay.connected { "" } else { " (not connected)" }
            );
        }
    }
    out
}

/// Who answers, in a line.
pub(super) fn available(backends: &[Backend]) -> String {
    let there = backends.iter().filter(|backend| backend.available);
    let names: Vec<_> = there
        .map(|one| format!("{}{}", one.id, if one.default { " (default)" } else { "" }))
        .collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_control_api::{Daemon, Refused, Relay, Stats};

    fn backend(id: &str, available: bool, default: bool) -> Backend {
        Backend {
            id: id.into(),
            available,
            default,
            models: Vec::new(),
            in_flight: 0,
            limit: 1,
            queued: 0,
            first_output_ms: None,
            tokens_per_second: None,
            failure_permille: 0,
        }
    }

    /// The block of the provider document, to the letter.
    #[test]
    fn the_page_is_the_documents() {
        let status = Status {
            daemon: Daemon {
                running: true,
                pid: 12345,
                modes: vec!["provider".into(), "host".into()],
                uptime_secs: 9015,
                ..Daemon::default()
            },
            stats: Stats { jobs_completed: 42, earnings_msats: 1_234_000, refund_due_msats: 0 },
            refused: Refused::default(),
            backends: vec![backend("ollama", true, true), backend("llama_cpp", false, false)],
            agent_backends: vec!["codex_code".into()],
            kinds: vec![5050, 5930, 5932, 5933],
            relays: vec![Relay { url: "wss://nexus.openagents.com".into(), connected: true }],
        };
        let expected = "\
Daemon: Running (PID: 12345)
Uptime: 2h 30m 15s
Modes:  provider, host

Session Stats:
  Jobs completed: 42
  Earnings: 1234 sats (1234000 msats)

Inference Backends:
  Available: ollama (default)

Agent Backends:
  Available: codex_code
  Supported Bazaar Kinds: 5930, 5932, 5933

Relays:
  wss://nexus.openagents.com
";
        assert_eq!(page(&status), expected);
        let owing = Status { stats: Stats { refund_due_msats: 21_500, ..status.stats }, ..status };
        let with_debt = expected
            .replace("(1234000 msats)\n", "(1234000 msats)\n  Owed back: 21 sats (21500 msats)\n");
        assert_eq!(page(&owing), with_debt);
        let refused = Refused::of(pylon_core::UnixTime::new(1), [("invalid".to_owned(), 2)].into());
        let with_refusals =
            with_debt.replace("  Owed", "  Jobs refused: 2 within a day (2 invalid)\n  Owed");
        assert_eq!(page(&Status { refused, ..owing }), with_refusals);
    }

    /// Goal: what there is not has no line, and what is broken says so. Method: a bare node.
    #[test]
    fn only_what_there_is() {
        let status = Status {
            daemon: Daemon { running: true, pid: 1, ..Daemon::default() },
            relays: vec![Relay { url: "wss://x".into(), connected: false }],
            ..Status::default()
        };
        let page = page(&status);
        assert!(
            !page.contains("Modes") && !page.contains("Agent") && !page.contains("Bazaar"),
            "{page}"
        );
        assert!(
            page.contains("  Available: none\n") && page.contains("  wss://x (not connected)\n"),
            "{page}"
        );
    }
}

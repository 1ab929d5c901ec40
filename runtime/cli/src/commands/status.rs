//! `pylon status`: the status of the node.

use crate::args::JsonArgs;
use crate::earnings::{refund_line, refused_line};
use crate::output::{self, SilentFailure, print};
use anyhow::Result;
use pylon_control_api::{Backend, Client, ClientError, Status};
use pylon_core::Msat;
use pylon_core::text::sanitize_line;
use pylon_core::units::{sats, span};
use pylon_node::home::Home;
use pylon_node::lock::LockHolder;
use pylon_nostr::clock_offset::{self, OFFSET_SECONDS_MAX};
use std::fmt::Write as _;

/// The request kinds of agents.
const BAZAAR_KINDS: std::ops::RangeInclusive<u16> = 5930..=5933;

/// Prints the status. Without a node the exit code is 1.
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
        Some(status) => print(&page(&status)),
        None => {
            let starting = home.lock_owner()?.is_some_and(|owner| owner.holder == LockHolder::Node);
            match (args.json, starting) {
                (true, _) => output::json(&Status::default())?,
                (false, true) => print("Daemon: Starting\n")?,
                (false, false) => print("Daemon: Not running\n")?,
            }
            Err(SilentFailure.into())
        }
    }
}

/// The text in the format of the provider document.
fn page(status: &Status) -> String {
    let mut out = format!(
        "Daemon: Running (PID: {})\nUptime: {}\n",
        status.daemon.pid,
        span(status.daemon.uptime_secs)
    );
    if !status.daemon.modes.is_empty() {
        let _ = writeln!(out, "Modes:  {}", status.daemon.modes.join(", "));
    }
    if let Some(off) = status.clock_off_s.filter(|off| off.unsigned_abs() > OFFSET_SECONDS_MAX) {
        let _ = writeln!(out, "Clock:  {} the relays: set it (NTP)", clock_offset::describe(off));
    }
    let _ = writeln!(out, "\nSession Stats:\n  Jobs completed: {}", status.stats.jobs_completed);
    let _ = writeln!(out, "  Earnings: {}", sats(Msat::new(status.stats.earnings_msats)));
    out.push_str(&refused_line(&status.refused));
    out.push_str(&refund_line(Msat::new(status.stats.refund_due_msats)));
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

/// The available backends on one line.
pub(super) fn available(backends: &[Backend]) -> String {
    let available = backends.iter().filter(|backend| backend.available);
    let names: Vec<_> = available
        .map(|one| format!("{}{}", one.id, if one.default { " (default)" } else { "" }))
        .collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_control_api::{Daemon, Panics, Refused, Relay, Stats};

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
            error: None,
        }
    }

    /// Goal: the text has the format of the provider document. Method: compare it line by line.
    #[test]
    fn page_has_the_documented_format() {
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
            panics: Panics::default(),
            backends: vec![backend("ollama", true, true), backend("llama_cpp", false, false)],
            agent_backends: vec!["codex_code".into()],
            kinds: vec![5050, 5930, 5932, 5933],
            relays: vec![Relay { url: "wss://nexus.openagents.com".into(), connected: true }],
            clock_off_s: Some(-30),
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
        let wrong_clock = Status { clock_off_s: Some(-600), ..status.clone() };
        let warned = expected.replace(
            "provider, host\n",
            "provider, host\nClock:  600 s behind the relays: set it (NTP)\n",
        );
        assert_eq!(page(&wrong_clock), warned);
        let with_refund_due =
            Status { stats: Stats { refund_due_msats: 21_500, ..status.stats }, ..status };
        let with_debt = expected
            .replace("(1234000 msats)\n", "(1234000 msats)\n  Owed back: 21 sats (21500 msats)\n");
        assert_eq!(page(&with_refund_due), with_debt);
        let refused = Refused::of(pylon_core::UnixTime::new(1), [("invalid".to_owned(), 2)].into());
        let with_refusals =
            with_debt.replace("  Owed", "  Jobs refused: 2 within a day (2 invalid)\n  Owed");
        assert_eq!(page(&Status { refused, ..with_refund_due }), with_refusals);
    }

    /// Goal: absent parts have no line, and a broken one is reported. Method: a status with few
    /// parts.
    #[test]
    fn absent_parts_have_no_line() {
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

//! `pylon status`: the status of the node.

use crate::args::JsonArgs;
use crate::earnings::{refund_line, refused_line};
use crate::output::{self, SilentFailure, paragraph, print, state};
use anyhow::Result;
use pylon_control_api::{Backend, Client, ClientError, JobsInProgress, Status};
use pylon_core::Msat;
use pylon_core::text::sanitize_line;
use pylon_core::units::{ago, sats, span};
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
                (false, true) => print(&format!("Daemon: {}\n", state("Starting")))?,
                (false, false) => print(&format!("Daemon: {}\n", state("Not running")))?,
            }
            Err(SilentFailure.into())
        }
    }
}

/// The text in the format of the provider document.
fn page(status: &Status) -> String {
    let mut out = format!(
        "Daemon: {} (PID: {})\nUptime: {}\n",
        state("Running"),
        status.daemon.pid,
        span(status.daemon.uptime_secs)
    );
    if !status.daemon.modes.is_empty() {
        let _ = writeln!(out, "Modes:  {}", status.daemon.modes.join(", "));
    }
    if let Some(off) = status.clock_off_s.filter(|off| off.unsigned_abs() > OFFSET_SECONDS_MAX) {
        let _ = writeln!(out, "Clock:  {} the relays: set it (NTP)", clock_offset::describe(off));
    }
    let _ = writeln!(out, "\nSession Stats:");
    out.push_str(&in_progress(&status.jobs));
    let _ = writeln!(out, "  Jobs completed: {}", status.stats.jobs_completed);
    let _ = writeln!(out, "  Earnings: {}", sats(Msat::new(status.stats.earnings_msats)));
    out.push_str(&refused_line(&status.refused));
    out.push_str(&refund_line(Msat::new(status.stats.refund_due_msats)));
    out.push_str("\nInference Backends:\n");
    out.push_str(&paragraph("  Available: ", &available(&status.backends)));
    for one in status.backends.iter().filter(|one| one.in_flight + one.queued > 0) {
        let queued =
            if one.queued == 0 { String::new() } else { format!(", {} waiting", one.queued) };
        let _ = writeln!(out, "  Running: {} {} of {}{queued}", one.id, one.in_flight, one.limit);
    }
    if !status.agent_backends.is_empty() {
        out.push_str("\nAgent Backends:\n");
        out.push_str(&paragraph("  Available: ", &status.agent_backends.join(", ")));
        let kinds: Vec<_> = status
            .kinds
            .iter()
            .filter(|kind| BAZAAR_KINDS.contains(kind))
            .map(u16::to_string)
            .collect();
        if !kinds.is_empty() {
            out.push_str(&paragraph("  Supported Bazaar Kinds: ", &kinds.join(", ")));
        }
    }
    if !status.relays.is_empty() {
        out.push_str("\nRelays:\n");
        for relay in &status.relays {
            let note = format!(" ({})", state("not connected"));
            let note = if relay.connected { "" } else { &note };
            let _ = writeln!(out, "  {}{note}", sanitize_line(&relay.url));
        }
    }
    out
}

/// The line with the jobs in progress, if there are any.
fn in_progress(jobs: &JobsInProgress) -> String {
    if jobs.running + jobs.waiting == 0 {
        return String::new();
    }
    let oldest = jobs
        .oldest_wait_secs
        .map(|seconds| format!(" (the oldest for {})", ago(seconds)))
        .unwrap_or_default();
    format!("  Jobs: {} running, {} waiting{oldest}\n", jobs.running, jobs.waiting)
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
    use crate::output::plain;
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
            jobs: JobsInProgress::default(),
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
        let page = |status: &Status| plain(&page(status));
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
        let with_refusals_only = Status { refused, ..with_refund_due };
        assert_eq!(page(&with_refusals_only), with_refusals);
        let jobs = JobsInProgress { running: 1, waiting: 3, oldest_wait_secs: Some(240) };
        let busy = Backend { in_flight: 1, queued: 2, ..backend("ollama", true, true) };
        let working = with_refusals
            .replace(
                "  Jobs completed",
                "  Jobs: 1 running, 3 waiting (the oldest for 4 minutes)\n  Jobs completed",
            )
            .replace("(default)\n", "(default)\n  Running: ollama 1 of 1, 2 waiting\n");
        assert_eq!(page(&Status { jobs, backends: vec![busy], ..with_refusals_only }), working);
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
        let page = plain(&page(&status));
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

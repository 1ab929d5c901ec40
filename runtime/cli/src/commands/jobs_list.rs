//! `pylon jobs list`: the latest jobs in the journal, with or without a running node.

use crate::args::JobsListArgs;
use crate::output::{json, print};
use anyhow::Result;
use pylon_core::UnixTime;
use pylon_core::machine::{Execution, Invoicing, JobState, Settlement};
use pylon_core::ports::clock::Clock;
use pylon_core::text::sanitize_line;
use pylon_core::units::ago;
use pylon_node::clock::SystemClock;
use pylon_node::home::Home;
use serde::Serialize;
use std::fmt::Write as _;

/// Lists the jobs, newest first.
pub(crate) fn run(args: &JobsListArgs) -> Result<()> {
    let status = args.status.as_deref().and_then(|status| status.parse::<Execution>().ok());
    let jobs = match Home::from_env()?.journal()? {
        Some(journal) => journal.jobs(status, args.limit as usize)?,
        None => Vec::new(),
    };
    if args.json {
        return json(&jobs.iter().map(Job::of).collect::<Vec<_>>());
    }
    print(&table(&jobs, SystemClock.now()))
}

/// A job as JSON.
#[derive(Serialize)]
pub(super) struct Job {
    id: String,
    kind: u16,
    customer_pubkey: String,
    status: &'static str,
    delivery: &'static str,
    invoicing: &'static str,
    settlement: &'static str,
    price_msats: u64,
    due_msats: u64,
    paid_msats: u64,
    received_at: u64,
    started_at: Option<u64>,
    completed_at: Option<u64>,
    text_purged_at: Option<u64>,
    error: Option<String>,
}

impl Job {
    pub(super) fn of(state: &JobState) -> Self {
        Self {
            id: state.job.id.to_hex(),
            kind: state.job.kind,
            customer_pubkey: state.job.customer.to_hex(),
            status: state.execution.as_str(),
            delivery: state.delivery.as_str(),
            invoicing: invoicing(state),
            settlement: state.settlement.as_str(),
            price_msats: state.offer().price.get(),
            due_msats: state.due.get(),
            paid_msats: state.paid.get(),
            received_at: state.received_at.get(),
            started_at: state.started_at.map(UnixTime::get),
            completed_at: state.ended_at.map(UnixTime::get),
            text_purged_at: state.text_purged_at.map(UnixTime::get),
            error: state.failure.as_ref().map(|failure| failure.message()),
        }
    }
}

/// The invoicing state, in which a paid invoice is `paid` instead of `open`.
pub(super) fn invoicing(state: &JobState) -> &'static str {
    let is_paid =
        matches!(state.settlement, Settlement::Paid | Settlement::RefundDue | Settlement::Refunded);
    if is_paid && state.invoicing == Invoicing::Open { "paid" } else { state.invoicing.as_str() }
}

fn table(jobs: &[JobState], now: UnixTime) -> String {
    let mut out = String::from(
        "JOB       KIND  STATUS            DELIVERY   PAYMENT     PAID (SATS)  TIME AGO\n",
    );
    for state in jobs {
        let error = state
            .failure
            .as_ref()
            .map(|failure| format!("  {}", sanitize_line(&failure.message())))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "{}  {}  {:<16}  {:<9}  {:<10}  {:>11}  {}{error}",
            state.job.id.short(),
            state.job.kind,
            state.execution.as_str(),
            state.delivery.as_str(),
            state.settlement.as_str(),
            state.paid.sats(),
            ago(now.since(state.received_at)),
        );
    }
    out
}

//! `pylon jobs list`: the latest jobs in the journal, with or without a running node.

use super::jobs_watch;
use crate::args::JobsListArgs;
use crate::output::{cut, json, print, table};
use anyhow::Result;
use pylon_core::UnixTime;
use pylon_core::machine::{Execution, Invoicing, JobState, Settlement};
use pylon_core::ports::clock::Clock;
use pylon_core::units::ago;
use pylon_journal::ReadOnlyJournal;
use pylon_node::clock::SystemClock;
use pylon_node::home::Home;
use serde::Serialize;

/// Lists the jobs, newest first.
pub(crate) fn run(args: &JobsListArgs) -> Result<()> {
    let status = args.status.as_deref().and_then(|status| status.parse::<Execution>().ok());
    let home = Home::from_env()?;
    if args.watch {
        return jobs_watch::run(&ReadOnlyJournal::open(&home.database())?, args, status);
    }
    let limit = args.limit as usize;
    let mut jobs = match home.journal()? {
        Some(journal) => journal.jobs(status, limit + 1)?,
        None => Vec::new(),
    };
    let more = cut(&mut jobs, limit);
    if args.json {
        return json(&jobs.iter().map(Job::of).collect::<Vec<_>>());
    }
    print(&(page(&jobs, SystemClock.now()) + more))
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

/// The table of jobs.
pub(super) fn page(jobs: &[JobState], now: UnixTime) -> String {
    let row = |state: &JobState| {
        [
            state.job.id.short(),
            state.job.kind.to_string(),
            state.execution.as_str().into(),
            state.delivery.as_str().into(),
            state.settlement.as_str().into(),
            state.paid.sats().to_string(),
            ago(now.since(state.received_at)),
            state.failure.as_ref().map(|failure| failure.message()).unwrap_or_default(),
        ]
    };
    table(
        "JOB  KIND  !STATUS  !DELIVERY  !PAYMENT  >?PAID (SATS)  TIME AGO  ~ERROR",
        &jobs.iter().map(row).collect::<Vec<_>>(),
    )
}

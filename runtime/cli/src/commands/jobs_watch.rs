//! `pylon jobs list --watch`: the latest jobs, as they change.

use super::jobs_list::{Job, page};
use crate::args::JobsListArgs;
use crate::output::{BrokenPipe, Screen, closed, json_line, print};
use anyhow::Result;
use pylon_core::machine::{Execution, JobState};
use pylon_core::ports::clock::Clock;
use pylon_core::text::sanitize_line;
use pylon_core::units::format_utc;
use pylon_core::{JobId, UnixTime};
use pylon_journal::ReadOnlyJournal;
use pylon_node::clock::SystemClock;
use std::collections::BTreeMap;
use std::time::Duration;

/// The interval at which the journal is read.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Redraws the list on a terminal; prints a line for each change otherwise. Ends with the reader.
pub(super) fn run(
    journal: &ReadOnlyJournal,
    args: &JobsListArgs,
    status: Option<Execution>,
) -> Result<()> {
    let screen = Screen::open().filter(|_| !args.json);
    let mut seen = BTreeMap::new();
    super::block_on(async {
        loop {
            let jobs = journal.jobs(status, args.limit as usize)?;
            match &screen {
                Some(screen) => screen.redraw(&page(&jobs, SystemClock.now()))?,
                None => changes(&mut seen, &jobs).into_iter().try_for_each(|job| {
                    if args.json {
                        json_line(&Job::of(job))
                    } else {
                        print(&line(job, SystemClock.now()))
                    }
                })?,
            }
            tokio::select! {
                () = closed() => return Err(BrokenPipe.into()),
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
    })
}

/// The columns whose change is reported.
type Columns = [&'static str; 4];

/// The jobs that are new or have changed, oldest first.
fn changes<'a>(seen: &mut BTreeMap<JobId, Columns>, jobs: &'a [JobState]) -> Vec<&'a JobState> {
    let columns = |job: &JobState| {
        [
            job.execution.as_str(),
            job.delivery.as_str(),
            job.invoicing.as_str(),
            job.settlement.as_str(),
        ]
    };
    let changed = |job: &&JobState| seen.get(&job.job.id) != Some(&columns(job));
    let changed: Vec<_> = jobs.iter().rev().filter(changed).collect();
    *seen = jobs.iter().map(|job| (job.job.id, columns(job))).collect();
    changed
}

fn line(job: &JobState, now: UnixTime) -> String {
    let error = job.failure.as_ref().map(|failure| sanitize_line(&failure.message()));
    let line = format!(
        "{}  {}  {}  {:<16}  {:<9}  {:<10}  {} sats  {}",
        format_utc(now),
        job.job.id.short(),
        job.job.kind,
        job.execution.as_str(),
        job.delivery.as_str(),
        job.settlement.as_str(),
        job.paid.sats(),
        error.unwrap_or_default()
    );
    format!("{}\n", line.trim_end())
}

//! Reports results that wait for review. Each of them occupies a place in the job queue.

use super::row::CheckRow;
use pylon_core::machine::{Execution, JobState};
use pylon_core::ports::clock::Clock;
use pylon_core::units::ago;
use pylon_journal::ReadOnlyJournal;
use pylon_node::clock::SystemClock;
use pylon_node::config::Config;
use pylon_node::home::Home;

const CHECK: &str = "review";

pub(super) fn check(home: &Home, config: &Config) -> CheckRow {
    let processing = ReadOnlyJournal::open(&home.database())
        .and_then(|journal| journal.jobs(Some(Execution::Processing), usize::MAX));
    // An error of the journal is reported by another check.
    let waiting: Vec<_> =
        processing.unwrap_or_default().into_iter().filter(JobState::is_in_review).collect();
    let Some(oldest) = waiting.iter().map(|job| job.received_at).min() else {
        return CheckRow::ok(CHECK, "no result waits for review");
    };
    let age = ago(SystemClock.now().since(oldest));
    let (count, capacity) = (waiting.len(), config.provider.max_queued_jobs);
    let detail = format!(
        "{count} results wait for review, the oldest for {age}; they occupy {count} of {capacity} \
         places in the queue"
    );
    CheckRow::warning(
        CHECK,
        detail,
        "list them with `pylon jobs list --status processing` (in_review), then run `pylon jobs \
         accept` or `pylon jobs reject`",
    )
}

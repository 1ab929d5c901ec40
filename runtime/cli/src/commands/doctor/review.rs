//! Does a result wait for the operator? Each keeps its place among the jobs that the node takes.

use super::Row;
use pylon_core::machine::{Execution, JobState};
use pylon_core::ports::clock::Clock;
use pylon_core::units::ago;
use pylon_journal::ReadOnlyJournal;
use pylon_node::clock::SystemClock;
use pylon_node::config::Config;
use pylon_node::home::Home;

const CHECK: &str = "review";

pub(super) fn check(home: &Home, config: &Config) -> Row {
    let at_work = ReadOnlyJournal::open(&home.database())
        .and_then(|books| books.jobs(Some(Execution::Processing), usize::MAX));
    // What is wrong with the journal, another check says.
    let waiting: Vec<_> =
        at_work.unwrap_or_default().into_iter().filter(JobState::is_in_review).collect();
    let Some(oldest) = waiting.iter().map(|job| job.received_at).min() else {
        return Row::ok(CHECK, "no result waits for you");
    };
    let since = ago(SystemClock.now().since(oldest));
    let (count, places) = (waiting.len(), config.provider.max_queued_jobs);
    let found = format!(
        "results that wait for you: {count}, the oldest since {since}; they keep {count} of {places} places"
    );
    Row::warning(
        CHECK,
        found,
        "`pylon jobs list --status processing` shows them (in_review): `pylon jobs release` or `reject` each",
    )
}

//! Reports panics: those of the running node, and jobs that were ended by one.

use super::row::CheckRow;
use pylon_control_api::{Panics, Status};
use pylon_core::JobId;
use pylon_core::ports::clock::Clock;
use pylon_node::clock::SystemClock;
use pylon_node::home::Home;

const CHECK: &str = "panics";
/// Jobs that were received within this time.
const SECONDS: u64 = 86_400;
/// Jobs that are named.
const NAMED_MAX: usize = 5;

pub(super) fn check(home: &Home, node: Option<&Status>) -> CheckRow {
    let since = SystemClock.now().minus(SECONDS);
    let journal = home.journal().ok().flatten();
    // An error of the journal is reported by another check.
    let jobs = journal.and_then(|journal| journal.panicked_jobs(since).ok()).unwrap_or_default();
    row(&node.map(|status| status.panics.clone()).unwrap_or_default(), &jobs)
}

fn row(panics: &Panics, jobs: &[JobId]) -> CheckRow {
    let mut found = Vec::new();
    if let (1.., Some(place)) = (panics.count, &panics.last_place) {
        found.push(format!("{} since the start, the last one at {place}", panics.count));
    }
    if !jobs.is_empty() {
        let named: Vec<_> = jobs.iter().take(NAMED_MAX).map(|job| job.short()).collect();
        let more = if jobs.len() > NAMED_MAX { ", …" } else { "" };
        found.push(format!(
            "{} of the jobs received within a day failed with one ({}{more})",
            jobs.len(),
            named.join(", ")
        ));
    }
    if found.is_empty() {
        return CheckRow::ok(CHECK, "none");
    }
    CheckRow::warning(
        CHECK,
        found.join("; "),
        "a panic is a bug: report the lines of the log that contain `panicked`",
    )
}

#[cfg(test)]
mod tests {
    use super::super::row::CheckState;
    use super::*;

    /// Goal: panics and the jobs that they ended are named. Method: none, one in a worker, and
    /// several in jobs.
    #[test]
    fn panics_are_reported() {
        let none = Panics::default();
        let one = Panics { count: 1, last_at: Some(1), last_place: Some("src/a.rs:2:3".into()) };
        let jobs: Vec<_> = (0..6).map(|number| JobId::from_bytes([number; 32])).collect();
        assert_eq!(row(&none, &[]).state, CheckState::Ok);
        assert_eq!(row(&one, &[]).detail, "1 since the start, the last one at src/a.rs:2:3");
        let detail = row(&none, &jobs).detail;
        assert!(detail.starts_with("6 of the jobs") && detail.ends_with(", …)"), "{detail}");
        assert_eq!(row(&one, &jobs).state, CheckState::Warning);
    }
}

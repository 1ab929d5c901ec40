//! Checks that the database can be read.

use super::row::CheckRow;
use pylon_journal::ReadOnlyJournal;
use pylon_node::home::Home;

const CHECK: &str = "database";

pub(super) fn check(home: &Home) -> CheckRow {
    let path = home.database();
    if !path.exists() {
        return CheckRow::ok(CHECK, "none yet: `pylon init` or `pylon start` creates it");
    }
    match ReadOnlyJournal::open(&path).and_then(|journal| journal.job_count()) {
        Ok(jobs) => CheckRow::ok(CHECK, format!("{jobs} jobs in {}", path.display())),
        Err(error) => CheckRow::broken(
            CHECK,
            error.to_string(),
            "restore it from a backup: a node does not start without it",
        ),
    }
}

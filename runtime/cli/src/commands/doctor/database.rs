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
    let read = ReadOnlyJournal::open(&path)
        .and_then(|journal| Ok((journal.job_count()?, journal.unreadable_rows()?)));
    match read {
        Ok((jobs, unreadable)) => match &unreadable[..] {
            [] => CheckRow::ok(CHECK, format!("{jobs} jobs in {}", path.display())),
            [first, ..] => CheckRow::broken(
                CHECK,
                format!(
                    "{} rows cannot be read, the node leaves them out: {first}",
                    unreadable.len()
                ),
                "repair these rows with `sqlite3`, or restore a backup",
            ),
        },
        Err(error) => CheckRow::broken(
            CHECK,
            error.to_string(),
            "restore it from a backup: a node does not start without it",
        ),
    }
}

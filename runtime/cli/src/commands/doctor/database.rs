//! Can the database be read?

use super::Row;
use pylon_journal::ReadOnlyJournal;
use pylon_node::home::Home;

const CHECK: &str = "database";

pub(super) fn check(home: &Home) -> Row {
    let path = home.database();
    if !path.exists() {
        return Row::ok(CHECK, "none yet: `pylon init` or a start makes it");
    }
    match ReadOnlyJournal::open(&path).and_then(|books| books.job_count()) {
        Ok(jobs) => Row::ok(CHECK, format!("{jobs} jobs in {}", path.display())),
        Err(error) => Row::broken(CHECK, error.to_string(), "a node does not start without it"),
    }
}

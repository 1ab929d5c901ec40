//! The minimum work: each row is read, each question is asked, and the results are discarded.

use crate::filled::{Filled, question};
use pylon_sandbox::Installed;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::hint::black_box;

/// The same numbers of rows and calls as a back-test.
pub(crate) fn all(filled: &Filled, guest: &Installed) {
    let conn = Connection::open(filled.path()).unwrap();
    let mut decisions = conn.prepare("SELECT * FROM decisions ORDER BY id").unwrap();
    let mut job = conn.prepare("SELECT * FROM jobs WHERE id = ?1").unwrap();
    let (state, situation) = question(0);
    let evidence = state.evidence.clone().unwrap();
    let mut rows = decisions.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        read(row).unwrap();
        let id: String = row.get("job_id").unwrap();
        if row.get_ref("function").unwrap().as_str().unwrap() == "quote" {
            job.query_row([&id], read).unwrap();
            black_box(guest.quote(&state.job, &state.plan.context, &situation));
        } else {
            let plan = &state.plan;
            black_box(guest.settle(
                &state.job,
                &plan.context,
                &plan.offer,
                &evidence.route,
                &evidence.usage,
                &situation,
            ));
        }
    }
}

/// Every column, unparsed.
fn read(row: &Row<'_>) -> rusqlite::Result<()> {
    for column in 0..row.as_ref().column_count() {
        if let ValueRef::Text(text) = row.get_ref(column)? {
            black_box(text.to_vec());
        }
    }
    Ok(())
}

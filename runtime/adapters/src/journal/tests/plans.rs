//! No question grows with the journal: SQLite's own plan for each of them searches, and sorts nothing.

use super::*;
use crate::journal::{reads, retention, rows, standbys};

#[test]
fn no_question_scans() {
    let shelf = Shelf::new();
    let outside = shelf.outside();
    let check = |question: &str| {
        let mut statement = outside.prepare(&format!("EXPLAIN QUERY PLAN {question}")).unwrap();
        for number in 1..=statement.parameter_count() {
            statement.raw_bind_parameter(number, 1).unwrap();
        }
        let mut rows = statement.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get::<_, String>(3).unwrap());
        }
        assert!(plan.iter().any(|line| line.contains("SEARCH")), "{question}: {plan:?}");
        assert!(
            !plan.iter().any(|line| line.contains("SCAN") || line.contains("TEMP B-TREE")),
            "{question}: {plan:?}"
        );
    };
    for condition in [reads::OF_ID, reads::UNFINISHED] {
        check(&reads::jobs_where(condition));
    }
    check(reads::KNOWS);
    check(reads::OF_PAYMENT);
    check(reads::CUSTOMER_OF_OPEN);
    check(reads::GUESTS_OF);
    check(reads::OPEN_INVOICES);
    check(reads::UNSENT);
    check(reads::RECENT);
    check(reads::REFUND_DUE);
    reads::REFUSED.into_iter().for_each(&check);
    check(&format!("SELECT id FROM decisions WHERE {}", retention::TEXTS_OF));
    check(retention::SAID_OF);
    check("SELECT jobs_completed FROM tallies WHERE scope = 'kind'");
    check(
        "SELECT paid_msats FROM tally_days WHERE scope = 'kind' AND key = '5050' AND day BETWEEN 1 AND 30",
    );
    check(rows::UNASKED);
    check(rows::ASKED);
    check("DELETE FROM decisions WHERE job_id = 'x'");
    check("DELETE FROM shadows WHERE decision_id IN (SELECT id FROM decisions WHERE job_id = 'x')");
    check(standbys::PAIRS);
    check(standbys::OF_DECISION);
    // Of the documented ones, those that ask for a few rows.
    check("SELECT * FROM jobs WHERE status = 'failed' LIMIT 5");
}

//! No query grows with the journal: in SQLite's own plan, each of them searches and none sorts.

use super::*;
use crate::{pending_guests, queries, redaction, row_writes};

#[test]
fn no_query_scans() {
    let test = TestJournal::new();
    let outside = test.sqlite();
    let check = |query: &str| {
        let mut statement = outside.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        for number in 1..=statement.parameter_count() {
            statement.raw_bind_parameter(number, 1).unwrap();
        }
        let mut rows = statement.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get::<_, String>(3).unwrap());
        }
        assert!(plan.iter().any(|line| line.contains("SEARCH")), "{query}: {plan:?}");
        assert!(
            !plan.iter().any(|line| line.contains("SCAN") || line.contains("TEMP B-TREE")),
            "{query}: {plan:?}"
        );
    };
    for condition in [queries::OF_ID, queries::OPEN] {
        check(&queries::jobs_where(condition));
    }
    check(queries::UNFINISHED);
    check(queries::PANICKED);
    check(queries::KNOWS);
    check(queries::OF_PAYMENT);
    check(queries::CUSTOMER_OF_OPEN);
    check(queries::GUESTS_OF);
    check(queries::OPEN_INVOICES);
    check(queries::UNSENT);
    check(queries::RELAY_REFUSALS);
    check(queries::DROPPED);
    check(row_writes::SUPERSEDE);
    check(queries::RECENT);
    check(queries::REFUND_DUE);
    queries::REFUSED.into_iter().for_each(&check);
    check(&format!("SELECT id FROM decisions WHERE {}", redaction::WITH_TEXT));
    check(redaction::SHADOW_OUTPUTS);
    check("SELECT jobs_completed FROM totals WHERE scope = 'kind'");
    check(
        "SELECT paid_msats FROM daily_totals \
         WHERE scope = 'kind' AND key = '5050' AND day BETWEEN 1 AND 30",
    );
    check(row_writes::UNDECIDED_BEFORE);
    check(row_writes::DECIDED_BEFORE);
    check("DELETE FROM decisions WHERE job_id = 'x'");
    check(
        "DELETE FROM shadow_answers \
         WHERE decision_id IN (SELECT id FROM decisions WHERE job_id = 'x')",
    );
    check(pending_guests::PAIRS);
    check(pending_guests::ADD_ANSWER);
    // The documented query that asks for few rows.
    check("SELECT * FROM jobs WHERE status = 'failed' LIMIT 5");
}

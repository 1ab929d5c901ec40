//! The documented SQL queries, verbatim, on a journal with rows.

use super::*;
use pylon_core::job::JobError;
use pylon_core::machine::Failure;
use pylon_core::ports::journal::Journal as _;
use pylon_core::rows::Row;
use rusqlite::types::Value;

const TOTAL: &str = "SELECT SUM(amount_msats)/1000 FROM earnings";
const BY_DAY: &str = "
  SELECT date(earned_at, 'unixepoch') as day, SUM(amount_msats)/1000 as sats
  FROM earnings
  GROUP BY day
  ORDER BY day DESC
  LIMIT 7
";
const SUCCESS_RATE: &str = "
  SELECT status, COUNT(*) as count
  FROM jobs
  GROUP BY status
";
const FAILED: &str = "SELECT * FROM jobs WHERE status = 'failed' LIMIT 5";
const EARNINGS: &str = "SELECT * FROM earnings ORDER BY earned_at DESC LIMIT 5";

const DAY: u64 = 86_400;

async fn filled() -> TestJournal {
    let test = TestJournal::new();
    let mut rows: Vec<Row> = (0..9).map(|number| Row::Admit(Box::new(done(number)))).collect();
    for number in 0..9 {
        rows.push(Row::Earn(earning(
            number,
            1500,
            EarningSource::Job,
            20_000 * DAY + number * DAY,
        )));
    }
    rows.push(Row::Earn(earning(8, 2600, EarningSource::Tip, 20_008 * DAY + 5)));
    for number in 20..26 {
        let failure = Some(Failure::Job(JobError::NoBackend));
        rows.push(Row::Admit(Box::new(JobState {
            execution: Execution::Failed,
            failure,
            ..job(number)
        })));
    }
    rows.push(Row::Admit(Box::new(job(30))));
    rows.push(Row::Refuse(Box::new(refusal(31, 1000))));
    test.journal.commit(rows.into()).await.unwrap();
    test
}

fn table(test: &TestJournal, sql: &str) -> Vec<Vec<Value>> {
    let outside = test.sqlite();
    let mut statement = outside.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
    rows.unwrap().map(Result::unwrap).collect()
}

fn row(word: &str, number: i64) -> Vec<Value> {
    vec![Value::Text(word.into()), Value::Integer(number)]
}

#[tokio::test]
async fn the_documented_queries_work() {
    let test = filled().await;
    assert_eq!(table(&test, TOTAL), [[Value::Integer((9 * 1500 + 2600) / 1000)]]);

    let days = table(&test, BY_DAY);
    assert_eq!(days.len(), 7);
    assert_eq!(days[0], row("2024-10-12", 4));
    assert_eq!(days[6], row("2024-10-06", 1));

    let rates = table(&test, SUCCESS_RATE);
    assert_eq!(
        rates,
        [row("completed", 9), row("failed", 6), row("received", 1)],
        "a refused request is not a job"
    );

    let failed = table(&test, FAILED);
    assert_eq!(failed.len(), 5);
    assert!(failed.iter().all(|job| job.contains(&Value::Text("no backend".into()))));

    let recent = table(&test, EARNINGS);
    assert_eq!(recent.len(), 5);
    assert!(
        recent[0].contains(&Value::Text("tip".into())) && recent[0].contains(&Value::Integer(2600))
    );
}

/// Goal: the documented columns keep their names. Method: select each.
#[test]
fn the_documented_columns_exist() {
    let test = TestJournal::new();
    for sql in [
        "SELECT id, kind, customer_pubkey, status, price_msats, error_message, started_at, \
                completed_at, created_at FROM jobs",
        "SELECT id, job_id, amount_msats, source, payment_hash, earned_at FROM earnings",
        "SELECT id, job_id, bolt11, amount_msats, status, paid_amount_msats, created_at, paid_at \
         FROM invoices",
    ] {
        assert!(table(&test, sql).is_empty());
    }
}

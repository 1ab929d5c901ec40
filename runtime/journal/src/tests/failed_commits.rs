//! A commit that fails leaves nothing behind, neither in the file nor in the memory of the writer:
//! the log of decisions has no gap, and no row is lost or doubled.

use super::*;
use crate::{MacCheck, Page, ReadOnlyJournal, connection};
use pylon_core::ports::journal::JournalError;
use pylon_core::rows::Row;
use rusqlite::Connection;

const KEY: [u8; 32] = [7; 32];

/// Every kind of statement of a batch.
const STATEMENTS: [&str; 10] = [
    "INSERT ON jobs",
    "UPDATE ON jobs",
    "INSERT ON decisions",
    "INSERT ON decision_log_head",
    "INSERT ON outbox",
    "DELETE ON outbox",
    "INSERT ON invoices",
    "INSERT ON earnings",
    "UPDATE ON totals",
    "UPDATE ON daily_totals",
];

/// How a statement fails. SQLite undoes the statement, keeps half of it, or rolls the whole
/// transaction back by itself, as after a full disk or an I/O error. The last is found at the end.
const FAILURES: [&str; 4] = [
    "SELECT RAISE(ABORT, 'failpoint')",
    "SELECT RAISE(FAIL, 'failpoint')",
    "SELECT RAISE(ROLLBACK, 'failpoint')",
    "INSERT INTO orphans VALUES ('no such job')",
];

fn over(writer: Connection, folder: TempDir) -> TestJournal {
    let reader = connection::for_reading(&folder.path().join("pylon.db")).unwrap();
    let journal = SqliteJournal::over(writer, reader, TextCipher::new(&KEY)).unwrap();
    TestJournal { folder, journal }
}

fn open() -> (Connection, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (connection::for_writing(&folder.path().join("pylon.db")).unwrap(), folder)
}

/// A job from its request to its payment.
fn whole(number: u64) -> Vec<Row> {
    vec![
        Row::Admit(Box::new(job(number))),
        Row::Decision(Box::new(decision(number))),
        Row::Send(message(number, number)),
        Row::Send(message(1000 + number, number)),
        Row::Sent(message(number, number).message.id),
        Row::Decision(Box::new(decision(number))),
        Row::Update(Box::new(done(number))),
        Row::Earn(earning(number, 5, EarningSource::Job, 1000)),
    ]
}

/// Commits concurrently, and returns those that failed.
async fn commit_all(test: &TestJournal, numbers: &[u64]) -> Vec<u64> {
    let commits = numbers.iter().map(|number| test.journal.commit(whole(*number).into()));
    let answers = futures::future::join_all(commits).await;
    let failed = numbers.iter().zip(answers).filter(|(_, answer)| answer.is_err());
    failed.map(|(number, _)| *number).collect()
}

/// What `pylon guest verify-log` checks: the decisions are numbered without gaps up to the head of
/// the log, and all MACs are valid.
fn check_log(test: &TestJournal, decisions: u64, what: &str) {
    let (journal, cipher) = (ReadOnlyJournal::open(&test.path()).unwrap(), TextCipher::new(&KEY));
    let found = journal.recorded(Page::default()).unwrap();
    assert!(found.iter().all(|it| it.check_mac(&cipher) == MacCheck::Valid), "{what}");
    let ids: Vec<_> = found.iter().map(|it| it.id).collect();
    assert_eq!(ids, Vec::from_iter(1..=decisions), "{what}");
    let head = journal.log_head(&cipher).unwrap().unwrap();
    assert_eq!((head.first, head.last), (1, decisions), "{what}");
}

/// Goal: a failing statement spoils no later commit. Method: every statement fails in every way,
/// for one batch alone and for several together; then the same batches are committed again.
#[tokio::test]
async fn failed_statement_leaves_nothing_behind() {
    for (statement, failure) in STATEMENTS.into_iter().flat_map(|it| FAILURES.map(|how| (it, how)))
    {
        let what = format!("{statement}: {failure}");
        let (writer, folder) = open();
        let test = over(writer, folder);
        assert!(commit_all(&test, &[1]).await.is_empty(), "{what}");
        test.sqlite()
            .execute_batch(&format!(
                "CREATE TABLE orphans (job TEXT REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED);
                 CREATE TRIGGER failpoint AFTER {statement} BEGIN {failure}; END;"
            ))
            .unwrap();
        assert_eq!(commit_all(&test, &[2]).await, [2], "{what}");
        assert_eq!(commit_all(&test, &[3, 4, 5]).await, [3, 4, 5], "{what}");
        test.sqlite().execute_batch("DROP TRIGGER failpoint").unwrap();
        check_log(&test, 2, &what);
        assert!(commit_all(&test, &[2, 3, 4, 5]).await.is_empty(), "{what}");
        check_log(&test, 10, &what);
        for (table, rows) in [("jobs", 5), ("outbox", 5), ("earnings", 5), ("orphans", 0)] {
            assert_eq!(test.count(table), rows, "{what}: {table}");
        }
        let history = test.journal.kind_history(5050, at(1000)).unwrap();
        assert_eq!((history.jobs_completed, history.paid), (5, Msat::new(25)), "{what}");
    }
}

/// Goal: a full disk spoils no later commit. Method: files with room for some more pages, and
/// batches of which the second needs more than that.
#[tokio::test]
async fn full_disk_leaves_nothing_behind() {
    for room in 0..24_i64 {
        let (writer, folder) = open();
        let pages: i64 = writer.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let limit = format!("PRAGMA max_page_count = {}", pages + room);
        writer.query_row(&limit, [], |_| Ok(())).unwrap();
        let test = over(writer, folder);
        let mut committed = 0;
        for bytes in [1, 100_000, 1, 100_000, 1] {
            let large = OutboxRow {
                message: SignedMessage { bytes: "x".repeat(bytes), ..message(9, 9).message },
                ..message(9, 9)
            };
            let rows = [Row::Decision(Box::new(decision(9))), Row::Send(large.clone())];
            let (one, two) = (rows.to_vec(), rows.to_vec());
            let (one, two) =
                tokio::join!(test.journal.commit(one.into()), test.journal.commit(two.into()));
            for answer in [one, two] {
                match answer {
                    Ok(()) => committed += 1,
                    Err(JournalError::Unwritable(cause)) if cause.contains("full") => {}
                    Err(other) => panic!("{room}: {other}"),
                }
            }
            test.journal.commit([Row::Sent(large.message.id)].into()).await.unwrap();
        }
        if committed > 0 {
            check_log(&test, committed, &format!("{room} pages"));
        }
    }
}

/// Goal: a database that another process holds spoils no later commit. Method: a foreign
/// transaction during a commit, without waiting for it.
#[tokio::test]
async fn busy_database_leaves_nothing_behind() {
    let (writer, folder) = open();
    writer.busy_timeout(std::time::Duration::ZERO).unwrap();
    let test = over(writer, folder);
    assert!(commit_all(&test, &[1]).await.is_empty());
    let other = test.sqlite();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(commit_all(&test, &[2, 3]).await, [2, 3]);
    other.execute_batch("ROLLBACK").unwrap();
    assert!(commit_all(&test, &[2, 3]).await.is_empty());
    check_log(&test, 6, "busy");
}

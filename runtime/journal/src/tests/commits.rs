//! Commits are atomic, and a full disk changes nothing. What every journal promises is in
//! `tests/src/conformance/journal.rs`.

use super::*;
use crate::connection;
use pylon_core::admission::AGE_SECONDS_MAX;
use pylon_core::ports::journal::{Journal as _, JournalError};
use pylon_core::rows::Row;

fn is_known(answer: &Result<(), JournalError>) -> bool {
    matches!(answer, Err(JournalError::Known))
}

/// Goal: a failed batch writes nothing. Method: a known id and a missing job after rows of other
/// kinds.
#[tokio::test]
async fn a_batch_is_atomic() {
    let test = TestJournal::new();
    test.journal.commit(vec![Row::Admit(Box::new(job(1)))].into()).await.unwrap();
    let rows = |last: Row| {
        vec![
            Row::Admit(Box::new(done(2))),
            Row::Decision(Box::new(decision(2))),
            Row::Send(message(1, 2)),
            Row::Earn(earning(2, 5, EarningSource::Job, 1000)),
            Row::Refuse(Box::new(refusal(3, 1000))),
            Row::Update(Box::new(done(1))),
            last,
        ]
    };
    assert!(is_known(&test.journal.commit(rows(Row::Admit(Box::new(job(1)))).into()).await));
    for last in [Row::Update(Box::new(job(9))), Row::Earn(earning(9, 5, EarningSource::Job, 1000))]
    {
        let answer = test.journal.commit(rows(last).into()).await;
        assert!(
            matches!(&answer, Err(JournalError::Contradicts(cause)) if cause.contains("missing")),
            "{answer:?}"
        );
    }
    assert_eq!(test.journal.job(id(1)).unwrap(), Some(job(1)));
    for table in ["decisions", "outbox", "earnings", "refusals", "invoices", "daily_totals"] {
        assert_eq!(test.count(table), 0, "{table}");
    }
    assert_eq!((test.count("jobs"), test.count("totals")), (1, 2));
    assert_eq!(test.journal.kind_history(5050, at(1000)).unwrap().jobs_completed, 0);
}

/// Goal: a refusal is kept while its request could still be accepted, and its text is limited.
/// Method: refusals an hour apart, of which the later one purges.
#[tokio::test]
async fn old_refusals_are_purged() {
    let test = TestJournal::new();
    let long = RefusalRow { refusal: Refusal::Other("ü".repeat(3000)), ..refusal(1, 1000) };
    test.journal
        .commit(vec![Row::Refuse(Box::new(long)), Row::Decision(Box::new(decision(1)))].into())
        .await
        .unwrap();
    let bytes: usize = test
        .sqlite()
        .query_row("SELECT length(CAST(error_message AS BLOB)) FROM refusals", [], |row| row.get(0))
        .unwrap();
    assert_eq!(bytes, 1024);
    test.journal
        .commit(vec![Row::Refuse(Box::new(refusal(2, 1000 + AGE_SECONDS_MAX)))].into())
        .await
        .unwrap();
    assert!(test.journal.knows(id(1)).unwrap(), "its age is exactly the limit");
    test.journal
        .commit(vec![Row::Refuse(Box::new(refusal(3, 1100 + AGE_SECONDS_MAX)))].into())
        .await
        .unwrap();
    assert!(!test.journal.knows(id(1)).unwrap());
    assert!(test.journal.knows(id(2)).unwrap());
    assert_eq!(test.count("decisions"), 0);
}

/// Goal: a full disk gives a clear error, and nothing is written or lost. Method: a limited number
/// of pages.
#[tokio::test]
async fn a_full_disk_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pylon.db");
    let writer = connection::for_writing(&path).unwrap();
    let reader = connection::for_reading(&path).unwrap();
    let pages: i64 = writer.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    writer.query_row(&format!("PRAGMA max_page_count = {}", pages + 4), [], |_| Ok(())).unwrap();
    let journal = SqliteJournal::over(writer, reader, TextCipher::default()).unwrap();
    journal.commit(vec![Row::Admit(Box::new(job(1)))].into()).await.unwrap();
    let large = OutboxRow {
        message: SignedMessage { bytes: "x".repeat(100_000), ..message(1, 1).message },
        ..message(1, 1)
    };
    let batch =
        || journal.commit(vec![Row::Update(Box::new(done(1))), Row::Send(large.clone())].into());
    for answer in futures::future::join_all([batch(), batch(), batch()]).await {
        assert!(
            matches!(&answer, Err(JournalError::Unwritable(cause)) if cause == "database or disk is full"),
            "{answer:?}"
        );
    }
    assert_eq!(journal.job(id(1)).unwrap(), Some(job(1)));
    assert!(unsent(&journal, 9).is_empty());
    journal.commit(vec![Row::Update(Box::new(done(1)))].into()).await.unwrap();
}

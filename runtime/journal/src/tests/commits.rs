//! Commits are atomic, and a full disk changes nothing. What every journal promises is in
//! `tests/src/conformance/journal.rs`.

use super::*;
use crate::connection;
use crate::{ReadOnlyJournal, Retention};
use pylon_core::admission::AGE_SECONDS_MAX;
use pylon_core::message::RelayRefusal;
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

/// Goal: the last refusal of each relay is kept with its job, for a limited number of relays, until
/// the texts of the job are purged. Method: more relays than are kept, one of them twice, and a job
/// that does not exist.
#[tokio::test]
async fn refusals_of_relays_are_kept_with_the_job() {
    let test = TestJournal::new();
    let delivered = JobState {
        delivery: Delivery::Delivered,
        invoicing: Invoicing::None,
        settlement: Settlement::None,
        invoice: None,
        due: Msat::ZERO,
        ..done(1)
    };
    test.journal.commit([Row::Admit(Box::new(delivered))].into()).await.unwrap();
    let refusal = |job, relay: u64, reason: &str| {
        let (relay, reason) = (format!("wss://{relay:03}/"), reason.to_owned());
        RelayRefusal { job: id(job), relay, reason }
    };
    let rows = (0..100)
        .map(|relay| Row::RefusedByRelay(refusal(1, relay, "blocked"), at(1000)))
        .chain([Row::RefusedByRelay(refusal(1, 0, "pow: 28"), at(1001))])
        .chain([Row::RefusedByRelay(refusal(9, 0, "blocked"), at(1000))]);
    test.journal.commit(rows.collect()).await.unwrap();
    let journal = ReadOnlyJournal::open(&test.path()).unwrap();
    let kept = journal.relay_refusals(id(1)).unwrap();
    assert_eq!(kept.len(), 64);
    assert_eq!(kept[0], (refusal(1, 0, "pow: 28"), at(1001)));
    assert_eq!(journal.relay_refusals(id(9)).unwrap(), []);
    test.journal.set_retention(Retention { seconds: 0, bytes: 0 });
    // A purge follows its commit: after the second commit the first purge is done.
    for _ in 0..2 {
        test.journal.purge().await.unwrap();
    }
    assert_eq!(test.count("relay_refusals"), 0);
}

/// Goal: dropped requests are counted among the refusals, and old counts are removed. Method:
/// counts in two hours, and after 31 days.
#[tokio::test]
async fn dropped_requests_are_counted() {
    let test = TestJournal::new();
    let later = 31 * 24 * 3600;
    for (jobs, second, since, counted) in
        [(2, 3600, 3600, 2), (3, 7199, 3600, 5), (4, 7200, 7200, 4), (1, later, 0, 1)]
    {
        test.journal.commit([Row::Dropped(jobs, at(second))].into()).await.unwrap();
        let refused = test.journal.refusals(at(since), 10).unwrap();
        assert_eq!(refused, [("dropped".to_owned(), counted)].into(), "{second}");
    }
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

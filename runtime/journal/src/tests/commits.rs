//! Commits are atomic and grouped, ids are unique, and a full disk changes nothing.

use super::*;
use crate::connection;
use pylon_core::admission::AGE_SECONDS_MAX;
use pylon_core::ports::journal::{Journal as _, JournalError};
use pylon_core::rows::Row;
use std::sync::Arc;

fn is_known(answer: &Result<(), JournalError>) -> bool {
    matches!(answer, Err(JournalError::Known))
}

/// Goal: an id is used for one job or one refusal only. Method: every pair of the two.
#[tokio::test]
async fn an_id_is_used_once() {
    let row = |admit: bool| {
        if admit { Row::Admit(Box::new(job(1))) } else { Row::Refuse(Box::new(refusal(1, 1000))) }
    };
    for first in [true, false] {
        for second in [true, false] {
            let test = TestJournal::new();
            assert!(!test.journal.knows(id(1)).unwrap());
            test.journal.commit(vec![row(first)].into()).await.unwrap();
            assert!(test.journal.knows(id(1)).unwrap());
            assert!(is_known(&test.journal.commit(vec![row(second)].into()).await));
            assert_eq!(test.count("jobs") + test.count("refusals"), 1);
        }
    }
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

/// Goal: one failing batch does not affect others of the same commit. Method: 200 concurrent
/// batches, every fifth with a known id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_a_group_fail_alone() {
    let TestJournal { folder, journal } = TestJournal::new();
    let journal = Arc::new(journal);
    journal.commit(vec![Row::Admit(Box::new(job(1000)))].into()).await.unwrap();
    let batches = (0..200).map(|number| {
        let journal = Arc::clone(&journal);
        let wanted = if number % 5 == 0 { 1000 } else { number };
        tokio::spawn(async move {
            journal
                .commit(
                    vec![Row::Send(message(number, number)), Row::Admit(Box::new(job(wanted)))]
                        .into(),
                )
                .await
        })
    });
    for (number, answer) in futures::future::join_all(batches).await.into_iter().enumerate() {
        assert_eq!(is_known(&answer.unwrap()), number % 5 == 0, "{number}");
    }
    assert_eq!(journal.unfinished().unwrap().len(), 161);
    let sent = unsent(&journal, 1000);
    assert_eq!(sent.len(), 160);
    assert!(sent.iter().all(|row| journal.knows(row.job).unwrap()));
    drop(folder);
}

/// Goal: messages are read in order and once. Method: three messages, one of them twice; one is
/// sent.
#[tokio::test]
async fn the_outbox_is_ordered() {
    let test = TestJournal::new();
    let rows = [3, 1, 2, 1].map(|number| Row::Send(message(number, 7)));
    test.journal.commit(rows.into()).await.unwrap();
    assert_eq!(unsent(&test.journal, 9), [3, 1, 2].map(|number| message(number, 7)));
    assert_eq!(unsent(&test.journal, 2).len(), 2);
    test.journal.commit(vec![Row::Sent(message(3, 7).message.id)].into()).await.unwrap();
    assert_eq!(unsent(&test.journal, 9), [1, 2].map(|number| message(number, 7)));
}

/// Goal: unfinished jobs are read oldest first. Method: three in another order and a closed one.
#[tokio::test]
async fn unfinished_jobs_are_read_oldest_first() {
    let test = TestJournal::new();
    let received = |number, seconds| JobState { received_at: at(seconds), ..job(number) };
    let closed = JobState { execution: Execution::Failed, ..job(4) };
    let rows = [received(1, 30), received(2, 10), received(3, 20), closed]
        .map(|state| Row::Admit(Box::new(state)));
    test.journal.commit(rows.into()).await.unwrap();
    let order: Vec<JobId> =
        test.journal.unfinished().unwrap().iter().map(|state| state.job.id).collect();
    assert_eq!(order, [id(2), id(3), id(1)]);
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

//! All or nothing, once, in groups, and nothing at all when the disk is full.

use super::*;
use crate::journal::connection;
use pylon_core::admission::MAX_AGE_SECONDS;
use pylon_core::ports::journal::{Journal as _, JournalError, Row};
use std::sync::Arc;

fn is_known(answer: &Result<(), JournalError>) -> bool {
    matches!(answer, Err(JournalError::Known))
}

/// Goal: one id is one job or one refusal, ever. Method: every pair of the two.
#[tokio::test]
async fn an_id_enters_once() {
    let row = |admit: bool| {
        if admit { Row::Admit(Box::new(job(1))) } else { Row::Refuse(Box::new(refusal(1, 1000))) }
    };
    for first in [true, false] {
        for second in [true, false] {
            let shelf = Shelf::new();
            assert!(!shelf.journal.knows(id(1)).unwrap());
            shelf.journal.commit(vec![row(first)].into()).await.unwrap();
            assert!(shelf.journal.knows(id(1)).unwrap());
            assert!(is_known(&shelf.journal.commit(vec![row(second)].into()).await));
            assert_eq!(shelf.count("jobs") + shelf.count("refusals"), 1);
        }
    }
}

/// Goal: a batch that fails leaves nothing. Method: a known id, and a missing job, after rows of every other kind.
#[tokio::test]
async fn a_batch_is_whole_or_nothing() {
    let shelf = Shelf::new();
    shelf.journal.commit(vec![Row::Admit(Box::new(job(1)))].into()).await.unwrap();
    let rows = |last: Row| {
        vec![
            Row::Admit(Box::new(done(2))),
            Row::Decision(Box::new(decision(2))),
            Row::Send(message(1, 2)),
            Row::Earn(earning(2, 5, Source::Job, 1000)),
            Row::Refuse(Box::new(refusal(3, 1000))),
            Row::Update(Box::new(done(1))),
            last,
        ]
    };
    assert!(is_known(&shelf.journal.commit(rows(Row::Admit(Box::new(job(1)))).into()).await));
    for last in [Row::Update(Box::new(job(9))), Row::Earn(earning(9, 5, Source::Job, 1000))] {
        let answer = shelf.journal.commit(rows(last).into()).await;
        assert!(
            matches!(&answer, Err(JournalError::Contradicts(why)) if why.contains("missing")),
            "{answer:?}"
        );
    }
    assert_eq!(shelf.journal.job(id(1)).unwrap(), Some(job(1)));
    for table in ["decisions", "outbox", "earnings", "refusals", "invoices", "tally_days"] {
        assert_eq!(shelf.count(table), 0, "{table}");
    }
    assert_eq!((shelf.count("jobs"), shelf.count("tallies")), (1, 2));
    assert_eq!(shelf.journal.kind_history(5050, at(1000)).unwrap().jobs_completed, 0);
}

/// Goal: batches that share a commit stand or fall alone. Method: 200 at once, every fifth an id that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_fails_one_by_one() {
    let Shelf { folder, journal } = Shelf::new();
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

/// Goal: messages leave in order and once. Method: three, one twice; one is sent.
#[tokio::test]
async fn the_outbox_is_a_line() {
    let shelf = Shelf::new();
    let rows = [3, 1, 2, 1].map(|number| Row::Send(message(number, 7)));
    shelf.journal.commit(rows.into()).await.unwrap();
    assert_eq!(unsent(&shelf.journal, 9), [3, 1, 2].map(|number| message(number, 7)));
    assert_eq!(unsent(&shelf.journal, 2).len(), 2);
    shelf.journal.commit(vec![Row::Sent(message(3, 7).sealed.id)].into()).await.unwrap();
    assert_eq!(unsent(&shelf.journal, 9), [1, 2].map(|number| message(number, 7)));
}

/// Goal: unfinished jobs come oldest first. Method: three in the wrong order and a closed one.
#[tokio::test]
async fn the_oldest_is_first() {
    let shelf = Shelf::new();
    let taken = |number, seconds| JobState { received_at: at(seconds), ..job(number) };
    let closed = JobState { execution: Execution::Failed, ..job(4) };
    let rows =
        [taken(1, 30), taken(2, 10), taken(3, 20), closed].map(|state| Row::Admit(Box::new(state)));
    shelf.journal.commit(rows.into()).await.unwrap();
    let order: Vec<JobId> =
        shelf.journal.unfinished().unwrap().iter().map(|state| state.job.id).collect();
    assert_eq!(order, [id(2), id(3), id(1)]);
}

/// Goal: a refusal is kept as long as its request could come again, and no longer; its text has a bound.
/// Method: two refusals an hour apart, the later one purges.
#[tokio::test]
async fn refusals_are_forgotten_in_time() {
    let shelf = Shelf::new();
    let long = RefusalRow { refusal: Refusal::Other("ü".repeat(3000)), ..refusal(1, 1000) };
    shelf
        .journal
        .commit(vec![Row::Refuse(Box::new(long)), Row::Decision(Box::new(decision(1)))].into())
        .await
        .unwrap();
    let bytes: usize = shelf
        .outside()
        .query_row("SELECT length(CAST(error_message AS BLOB)) FROM refusals", [], |row| row.get(0))
        .unwrap();
    assert_eq!(bytes, 1024);
    shelf
        .journal
        .commit(vec![Row::Refuse(Box::new(refusal(2, 1000 + MAX_AGE_SECONDS)))].into())
        .await
        .unwrap();
    assert!(shelf.journal.knows(id(1)).unwrap(), "exactly as old as is still accepted");
    shelf
        .journal
        .commit(vec![Row::Refuse(Box::new(refusal(3, 1100 + MAX_AGE_SECONDS)))].into())
        .await
        .unwrap();
    assert!(!shelf.journal.knows(id(1)).unwrap());
    assert!(shelf.journal.knows(id(2)).unwrap());
    assert_eq!(shelf.count("decisions"), 0);
}

/// Goal: a full disk is said plainly, nothing is half-written, and what was there stays. Method: a bound on the file's pages.
#[tokio::test]
async fn a_full_disk_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pylon.db");
    let writer = connection::for_writing(&path).unwrap();
    let reader = connection::for_reading(&path).unwrap();
    let pages: i64 = writer.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    writer.query_row(&format!("PRAGMA max_page_count = {}", pages + 4), [], |_| Ok(())).unwrap();
    let journal = SqliteJournal::over(writer, reader, Safe::default()).unwrap();
    journal.commit(vec![Row::Admit(Box::new(job(1)))].into()).await.unwrap();
    let large = OutboxRow {
        sealed: Sealed { bytes: "x".repeat(100_000), ..message(1, 1).sealed },
        ..message(1, 1)
    };
    let batch =
        || journal.commit(vec![Row::Update(Box::new(done(1))), Row::Send(large.clone())].into());
    for answer in futures::future::join_all([batch(), batch(), batch()]).await {
        assert!(
            matches!(&answer, Err(JournalError::Unwritable(why)) if why == "database or disk is full"),
            "{answer:?}"
        );
    }
    assert_eq!(journal.job(id(1)).unwrap(), Some(job(1)));
    assert!(unsent(&journal, 9).is_empty());
    journal.commit(vec![Row::Update(Box::new(done(1)))].into()).await.unwrap();
}

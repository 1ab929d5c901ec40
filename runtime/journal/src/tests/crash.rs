//! Acknowledged commits survive a crash; others are there completely or not at all.

use super::*;
use pylon_core::ports::journal::Journal as _;
use pylon_core::rows::Row;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn batch(number: u64) -> Vec<Row> {
    vec![
        Row::Admit(Box::new(job(number))),
        Row::Decision(Box::new(decision(number))),
        Row::Send(message(number, number)),
    ]
}

/// Copies what a crash leaves: the file and its log, without the shared index.
fn copy_as_after_crash(shelf_path: &Path) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pylon.db");
    fs::copy(shelf_path, &path).unwrap();
    fs::copy(shelf_path.with_extension("db-wal"), path.with_extension("db-wal")).unwrap();
    (folder, path)
}

/// Goal: dropping the journal loses nothing, not even batches whose callers no longer wait. Method:
/// such commits, then open it again.
#[tokio::test]
async fn dropping_writes_all_queued_batches() {
    let TestJournal { folder, journal } = TestJournal::new();
    for number in 0..50 {
        // Polled once: the batch is queued, and its caller does not wait.
        assert!(futures::FutureExt::now_or_never(journal.commit(batch(number).into())).is_none());
    }
    drop(journal);
    let journal = SqliteJournal::open(&folder.path().join("pylon.db")).unwrap();
    assert_eq!(journal.unfinished().unwrap().len(), 50);
    assert_eq!(unsent(&journal, 99).len(), 50);
    assert!(matches!(
        journal.commit(batch(7).into()).await,
        Err(pylon_core::ports::journal::JournalError::Known)
    ));
}

/// Goal: no acknowledged commit is lost when the process dies. Method: copy the files while commits
/// run, and open the copy; it must contain what was acknowledged before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_commits_survive_a_crash() {
    let TestJournal { folder, journal } = TestJournal::new();
    let path = folder.path().join("pylon.db");
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writing = tokio::spawn({
        let acknowledged = Arc::clone(&acknowledged);
        async move {
            for number in 1..=200 {
                journal.commit(batch(number).into()).await.unwrap();
                acknowledged.store(number, Ordering::SeqCst);
            }
            journal
        }
    });
    while !writing.is_finished() {
        let promised = acknowledged.load(Ordering::SeqCst);
        let (_kept, copy) = copy_as_after_crash(&path);
        let journal = SqliteJournal::open(&copy).unwrap();
        let found = journal.unfinished().unwrap().len() as u64;
        assert!(found >= promised, "{found} of {promised}");
        assert!((1..=found).all(|number| journal.knows(id(number)).unwrap()));
        assert_eq!(unsent(&journal, 999).len() as u64, found);
        tokio::task::yield_now().await;
    }
    drop(writing.await.unwrap());
}

/// Goal: a truncated log gives exactly the commits before the end. Method: truncate it at many
/// lengths.
#[tokio::test]
async fn a_truncated_log_ends_between_commits() {
    let test = TestJournal::new();
    for number in 1..=20 {
        test.journal.commit(batch(number).into()).await.unwrap();
    }
    let whole = fs::metadata(test.path().with_extension("db-wal")).unwrap().len();
    let mut most = 0;
    for cut in (0..=whole).rev().step_by(whole as usize / 40) {
        let (_kept, copy) = copy_as_after_crash(&test.path());
        fs::File::options()
            .write(true)
            .open(copy.with_extension("db-wal"))
            .unwrap()
            .set_len(cut)
            .unwrap();
        let journal = SqliteJournal::open(&copy).unwrap();
        let found = journal.unfinished().unwrap().len() as u64;
        assert!((1..=20).all(|number| journal.knows(id(number)).unwrap() == (number <= found)));
        assert_eq!(unsent(&journal, 99).len() as u64, found);
        most = most.max(found);
    }
    assert_eq!(most, 20);
}

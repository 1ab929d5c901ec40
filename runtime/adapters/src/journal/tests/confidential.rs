//! The text of a confidential job is in no byte of the files, and gone once nobody works on it.

use super::*;
use crate::journal::Safe;
use pylon_core::machine::Failure;
use pylon_core::ports::guests::JobError;
use pylon_core::ports::journal::{Journal as _, Row};
use std::sync::Arc;

const CANARY: &str = "canary-7d1f";
const KEY: [u8; 32] = [7; 32];

/// A job whose every text is the canary, at each step of its way.
fn steps(number: u64, confidential: bool) -> Vec<JobState> {
    let first = job(number);
    let params = vec![Param { name: CANARY.into(), values: vec![CANARY.into()] }];
    let text =
        Input { source: InputSource::Text(CANARY.into()), hint: None, marker: Some(CANARY.into()) };
    let asked = Job {
        inputs: vec![text],
        params,
        confidential,
        origin: CANARY.into(),
        ..(*first.job).clone()
    };
    let first = JobState { job: Arc::new(asked), ..first };
    let check = Check {
        name: "patch".into(),
        outcome: Outcome::Skipped(CANARY.into()),
        detail: CANARY.into(),
    };
    let full = done(number);
    let evidence = Evidence { checks: vec![check], ..full.evidence.clone().unwrap() };
    let fact = Attribute { name: "model".into(), value: CANARY.into() };
    let output =
        Output { content: CANARY.into(), mime: "text/plain".into(), attributes: vec![fact] };
    let at_work = JobState {
        execution: Execution::Processing,
        output: Some(output),
        evidence: Some(evidence),
        attempt: 1,
        ..first.clone()
    };
    let failure = Some(Failure::Job(JobError::Failed(CANARY.into())));
    let over = JobState {
        execution: Execution::Failed,
        failure,
        ended_at: Some(at(1003)),
        ..at_work.clone()
    };
    vec![first, at_work, over]
}

fn bytes(shelf: &Shelf) -> Vec<u8> {
    let files = ["db", "db-wal", "db-shm"]
        .map(|ending| std::fs::read(shelf.path().with_extension(ending)).unwrap_or_default());
    files.concat()
}

fn has_canary(shelf: &Shelf) -> bool {
    bytes(shelf).windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

fn shelf() -> Shelf {
    let folder = tempfile::tempdir().unwrap();
    let journal =
        SqliteJournal::open_with(&folder.path().join("pylon.db"), Safe::new(&KEY)).unwrap();
    Shelf { folder, journal }
}

fn sealed(shelf: &Shelf) -> Option<Vec<u8>> {
    shelf.outside().query_row("SELECT sealed FROM jobs", [], |row| row.get(0)).unwrap()
}

/// Goal: the files never have a confidential text, the node has it as long as it needs it, and afterwards nobody. Method: the same job open and
/// confidential, every file searched after each commit; the open one shows that the search finds.
#[tokio::test]
async fn no_byte_of_the_files_has_the_text() {
    for confidential in [false, true] {
        let shelf = shelf();
        for (state, step) in steps(1, confidential).into_iter().zip(0..) {
            let row = if step == 0 {
                Row::Admit(Box::new(state.clone()))
            } else {
                Row::Update(Box::new(state.clone()))
            };
            shelf.journal.commit(vec![row].into()).await.unwrap();
            assert_eq!(has_canary(&shelf), !confidential, "step {step}");
            let read = shelf.journal.job(id(1)).unwrap().unwrap();
            if !confidential {
                assert_eq!(read, state);
            } else if state.needs_text() {
                assert_eq!((&read.job, &read.output), (&state.job, &state.output));
                assert_eq!(shelf.journal.unfinished().unwrap()[0].job, state.job);
            } else {
                assert_eq!(
                    (read.job.inputs.len(), read.job.origin.as_str(), &read.output),
                    (0, "", &None)
                );
                assert_eq!(
                    (read.execution, read.job.bid, read.job.kind),
                    (state.execution, state.job.bid, state.job.kind)
                );
                assert_eq!(
                    read.failure.unwrap().words(),
                    "processing error: told to the customer only"
                );
                assert_eq!(sealed(&shelf), None);
            }
        }
    }
}

/// Goal: what an operator may look at before it goes out is kept until then. Method: a result that is held for review.
#[tokio::test]
async fn a_result_in_review_keeps_its_text() {
    let shelf = shelf();
    let [.., over] = &steps(1, true)[..] else { panic!("steps") };
    let held = JobState {
        execution: Execution::Completed,
        delivery: Delivery::InReview,
        failure: None,
        ..over.clone()
    };
    shelf.journal.commit(vec![Row::Admit(Box::new(held.clone()))].into()).await.unwrap();
    assert_eq!(shelf.journal.job(id(1)).unwrap().unwrap().output, held.output);
    assert!(!has_canary(&shelf));
}

/// Goal: a text opens for its own job with its own key, or it is missing, and no start fails over it. Method: another key, no key, a text that was
/// moved to another job, one that was cut.
#[tokio::test]
async fn a_text_that_cannot_be_opened_is_missing() {
    let Shelf { folder, journal } = shelf();
    let path = folder.path().join("pylon.db");
    let rows = [1, 2].map(|number| Row::Admit(Box::new(steps(number, true).remove(0))));
    journal.commit(Arc::new(rows)).await.unwrap();
    drop(journal);
    let inputs = |safe| {
        let journal = SqliteJournal::open_with(&path, safe).unwrap();
        journal
            .unfinished()
            .map(|jobs| jobs.iter().map(|state| state.job.inputs.len()).collect::<Vec<_>>())
            .ok()
    };
    assert_eq!(inputs(Safe::new(&KEY)), Some(vec![1, 1]));
    assert_eq!(inputs(Safe::new(&[8; 32])), Some(vec![0, 0]));
    assert_eq!(inputs(Safe::default()), Some(vec![0, 0]));
    let outside = rusqlite::Connection::open(&path).unwrap();
    let moved = "UPDATE jobs SET sealed = (SELECT sealed FROM jobs WHERE id = ?1) WHERE id = ?2";
    outside.execute(moved, [id(1).to_hex(), id(2).to_hex()]).unwrap();
    assert_eq!(inputs(Safe::new(&KEY)), Some(vec![1, 0]));
    outside.execute("UPDATE jobs SET sealed = x'00' WHERE id = ?1", [id(2).to_hex()]).unwrap();
    assert_eq!(inputs(Safe::new(&KEY)), Some(vec![1, 0]));
}

/// Goal: without a key nothing confidential is kept, and everything else is. Method: a journal that was opened without one.
#[tokio::test]
async fn without_a_key_no_text_is_kept() {
    let shelf = Shelf::new();
    shelf
        .journal
        .commit(vec![Row::Admit(Box::new(steps(1, true).remove(0)))].into())
        .await
        .unwrap();
    assert!(!has_canary(&shelf) && sealed(&shelf).is_none());
    assert!(shelf.journal.knows(id(1)).unwrap());
}

/// Goal: the key is in no line of log. Method: print the safe.
#[test]
fn debug_keeps_the_key() {
    assert_eq!(format!("{:?} {:?}", Safe::new(&KEY), Safe::default()), "Safe(…) Safe(no key)");
}

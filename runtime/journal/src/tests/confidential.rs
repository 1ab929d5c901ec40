//! The text of a confidential job is never in the files in plain text, and is deleted with the
//! work.

use super::*;
use crate::TextCipher;
use pylon_core::job::JobError;
use pylon_core::machine::Failure;
use pylon_core::ports::journal::Journal as _;
use pylon_core::rows::Row;
use std::sync::Arc;

const CANARY: &str = "canary-7d1f";
const KEY: [u8; 32] = [7; 32];

/// A job in which every text is the canary, in three states.
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
        outcome: CheckOutcome::Skipped(CANARY.into()),
        detail: CANARY.into(),
    };
    let full = done(number);
    let evidence = Evidence { checks: vec![check], ..full.evidence.clone().unwrap() };
    let fact = Attribute { name: "model".into(), value: CANARY.into() };
    let output =
        Output { content: CANARY.into(), mime: "text/plain".into(), attributes: vec![fact] };
    let processing = JobState {
        execution: Execution::Processing,
        output: Some(output),
        evidence: Some(evidence),
        attempt: 1,
        ..first.clone()
    };
    let failure = Some(Failure::Job(JobError::Failed(CANARY.into())));
    let failed = JobState {
        execution: Execution::Failed,
        failure,
        ended_at: Some(at(1003)),
        ..processing.clone()
    };
    vec![first, processing, failed]
}

fn bytes(test: &TestJournal) -> Vec<u8> {
    let files = ["db", "db-wal", "db-shm"]
        .map(|ending| std::fs::read(test.path().with_extension(ending)).unwrap_or_default());
    files.concat()
}

fn has_canary(test: &TestJournal) -> bool {
    bytes(test).windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

fn with_key() -> TestJournal {
    let folder = tempfile::tempdir().unwrap();
    let journal =
        SqliteJournal::open_with(&folder.path().join("pylon.db"), TextCipher::new(&KEY)).unwrap();
    TestJournal { folder, journal }
}

fn encrypted(test: &TestJournal) -> Option<Vec<u8>> {
    test.sqlite().query_row("SELECT encrypted_text FROM jobs", [], |row| row.get(0)).unwrap()
}

/// Goal: the files never contain a confidential text; the node can read it only while it needs it.
/// Method: the same job confidential and not, all files searched after each commit. The job that is
/// not confidential shows that the search works.
#[tokio::test]
async fn the_files_do_not_contain_the_text() {
    for confidential in [false, true] {
        let test = with_key();
        for (state, step) in steps(1, confidential).into_iter().zip(0..) {
            let row = if step == 0 {
                Row::Admit(Box::new(state.clone()))
            } else {
                Row::Update(Box::new(state.clone()))
            };
            test.journal.commit(vec![row].into()).await.unwrap();
            assert_eq!(has_canary(&test), !confidential, "step {step}");
            let read = test.journal.job(id(1)).unwrap().unwrap();
            if !confidential {
                assert_eq!(read, state);
            } else if state.needs_text() {
                assert_eq!((&read.job, &read.output), (&state.job, &state.output));
                assert_eq!(unfinished(&test.journal)[0].job, state.job);
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
                    read.failure.unwrap().message(),
                    "processing error: sent to the customer only"
                );
                assert_eq!(encrypted(&test), None);
            }
        }
    }
}

/// Goal: a result that the operator reviews keeps its text until it is delivered. Method: a result
/// in review.
#[tokio::test]
async fn a_result_in_review_keeps_its_text() {
    let test = with_key();
    let [.., failed] = &steps(1, true)[..] else { panic!("steps") };
    let held = JobState {
        execution: Execution::Completed,
        delivery: Delivery::InReview,
        failure: None,
        ..failed.clone()
    };
    test.journal.commit(vec![Row::Admit(Box::new(held.clone()))].into()).await.unwrap();
    assert_eq!(test.journal.job(id(1)).unwrap().unwrap().output, held.output);
    assert!(!has_canary(&test));
}

/// Goal: a text is decrypted only for its own job with its own key; otherwise it is missing, and
/// the start does not fail. Method: another key, no key, a text moved to another job, a truncated
/// one.
#[tokio::test]
async fn a_text_that_cannot_be_decrypted_is_missing() {
    let TestJournal { folder, journal } = with_key();
    let path = folder.path().join("pylon.db");
    let rows = [1, 2].map(|number| Row::Admit(Box::new(steps(number, true).remove(0))));
    journal.commit(Arc::new(rows)).await.unwrap();
    drop(journal);
    let inputs = |cipher| {
        let journal = SqliteJournal::open_with(&path, cipher).unwrap();
        Vec::from_iter(unfinished(&journal).iter().map(|state| state.job.inputs.len()))
    };
    assert_eq!(inputs(TextCipher::new(&KEY)), [1, 1]);
    assert_eq!(inputs(TextCipher::new(&[8; 32])), [0, 0]);
    assert_eq!(inputs(TextCipher::default()), [0, 0]);
    let outside = rusqlite::Connection::open(&path).unwrap();
    let moved = "UPDATE jobs \
                 SET encrypted_text = (SELECT encrypted_text FROM jobs WHERE id = ?1) \
                 WHERE id = ?2";
    outside.execute(moved, [id(1).to_hex(), id(2).to_hex()]).unwrap();
    assert_eq!(inputs(TextCipher::new(&KEY)), [1, 0]);
    outside
        .execute("UPDATE jobs SET encrypted_text = x'00' WHERE id = ?1", [id(2).to_hex()])
        .unwrap();
    assert_eq!(inputs(TextCipher::new(&KEY)), [1, 0]);
}

/// Goal: without a key no confidential text is stored, everything else is. Method: a journal opened
/// without a key.
#[tokio::test]
async fn without_a_key_no_text_is_stored() {
    let test = TestJournal::new();
    test.journal.commit(vec![Row::Admit(Box::new(steps(1, true).remove(0)))].into()).await.unwrap();
    assert!(!has_canary(&test) && encrypted(&test).is_none());
    assert!(test.journal.knows(id(1)).unwrap());
}

/// Goal: the key is never logged. Method: print the cipher.
#[test]
fn debug_does_not_show_the_key() {
    assert_eq!(
        format!("{:?} {:?}", TextCipher::new(&KEY), TextCipher::default()),
        "TextCipher(…) TextCipher(no key)"
    );
}

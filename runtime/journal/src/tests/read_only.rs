//! Read-only access, while a node is writing and without one.

use super::*;
use crate::{Decision, ReadOnlyJournal};
use pylon_core::guest::{Fault, GuestFunction};
use pylon_core::ports::journal::Journal as _;
use pylon_core::rows::Row;
use std::collections::BTreeMap;

/// Goal: rows can be read while the writer is open. Method: jobs, refusals and decisions; then each
/// query.
#[tokio::test]
async fn everything_can_be_read() {
    let test = TestJournal::new();
    let broken =
        DecisionRow { output: Err(Fault::Fuel), function: GuestFunction::Settle, ..decision(2) };
    let asked = RefusalRow {
        refusal: Refusal::NoBackend,
        job: Some(Box::new(Job::placeholder(5050))),
        ..refusal(5, 901)
    };
    let rows = vec![
        Row::Admit(Box::new(job(1))),
        Row::Admit(Box::new(done(2))),
        Row::Decision(Box::new(decision(2))),
        Row::Decision(Box::new(broken)),
        Row::Refuse(Box::new(refusal(3, 900))),
        Row::Refuse(Box::new(refusal(4, 901))),
        Row::Refuse(Box::new(asked)),
        Row::Earn(earning(2, 21_000, EarningSource::Job, 4000)),
    ];
    test.journal.commit(rows.into()).await.unwrap();
    let reader = ReadOnlyJournal::open(&test.path()).unwrap();
    assert_eq!(reader.job_count().unwrap(), 2);
    assert_eq!(reader.jobs(None, 9).unwrap(), [done(2), job(1)]);
    assert_eq!(reader.jobs(None, 1).unwrap(), [done(2)]);
    assert_eq!(reader.jobs(Some(Execution::Received), 9).unwrap(), [job(1)]);
    assert_eq!(reader.job(id(1)).unwrap(), Some(job(1)));
    assert_eq!(reader.earnings(9).unwrap().recent, [earning(2, 21_000, EarningSource::Job, 4000)]);
    let hex = id(1).to_hex();
    assert_eq!(reader.jobs_by_prefix(hex.get(..10).unwrap()).unwrap(), [id(1)]);
    assert_eq!(reader.jobs_by_prefix(&hex).unwrap(), [id(1)]);
    assert_eq!(
        reader.jobs_by_prefix("").unwrap().len(),
        2,
        "two show that the prefix is ambiguous"
    );
    assert_eq!(
        reader.refusal(&id(3).to_hex()).unwrap().unwrap(),
        "invalid request: no usable input"
    );
    assert_eq!(reader.refusal(&hex).unwrap(), None);
    let refused = |since: u64, limit| reader.refusals(UnixTime::new(since), limit).unwrap();
    let both =
        |invalid: u64| BTreeMap::from([("invalid".into(), invalid), ("no_backend".into(), 1)]);
    assert_eq!(refused(900, 9), both(2));
    assert_eq!(refused(901, 9), both(1), "one request was made before");
    assert_eq!(refused(900, 1), both(1), "many requests without a decision hide none with one");
    assert!(reader.refusals(UnixTime::new(900), 0).unwrap().is_empty(), "no more than the limit");
    let outputs: Vec<_> = reader
        .decisions(id(2))
        .unwrap()
        .into_iter()
        .map(|Decision { function, output, .. }| (function, output))
        .collect();
    assert_eq!(
        outputs,
        [("quote".into(), Ok("{\"ok\":1}".into())), ("settle".into(), Err(Fault::Fuel))]
    );
}

/// Goal: a copy is a consistent snapshot. Method: copy between the commits of a running writer.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_a_snapshot() {
    let test = TestJournal::new();
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (test.path(), folder.path().join("copy.db"));
    test.journal.commit(vec![Row::Admit(Box::new(done(0)))].into()).await.unwrap();
    let copied = tokio::task::spawn_blocking(move || {
        ReadOnlyJournal::open(&path).unwrap().copy_to(&copy).unwrap();
        copy
    });
    for number in 1..200 {
        let rows = vec![
            Row::Admit(Box::new(done(number))),
            Row::Earn(earning(number, 1, EarningSource::Job, number)),
        ];
        test.journal.commit(rows.into()).await.unwrap();
    }
    let reader = ReadOnlyJournal::open(&copied.await.unwrap()).unwrap();
    let (jobs, earnings) = (reader.job_count().unwrap(), reader.earnings(999).unwrap());
    assert!((1..=200).contains(&jobs), "{jobs}");
    assert_eq!(
        (earnings.jobs_completed, earnings.total.get()),
        (jobs, jobs - 1),
        "each commit is copied completely or not at all"
    );
}

//! Texts of jobs are purged, numbers are kept, and the size of the file is bounded.

use super::*;
use crate::{MacCheck, ReadOnlyJournal, Retention, TextCipher};
use pylon_core::decision::{Situation, Verdict};
use pylon_core::guest::GuestFunction;
use pylon_core::job::JobError;
use pylon_core::ports::journal::Journal as _;
use pylon_core::rows::Row;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
const UNLIMITED: Retention = Retention { seconds: u64::MAX, bytes: u64::MAX };
const WORDS: &str = "canary-5e11 ";
const KEY: [u8; 32] = [7; 32];

fn with_key() -> TestJournal {
    let folder = tempfile::tempdir().unwrap();
    let journal =
        SqliteJournal::open_with(&folder.path().join("pylon.db"), TextCipher::new(&KEY)).unwrap();
    TestJournal { folder, journal }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A job with a text of about this size, which the original event repeats.
fn asked(number: u64, bytes: usize) -> JobState {
    let first = job(number);
    let text = WORDS.repeat(bytes / WORDS.len());
    let origin = serde_json::json!({"tags": [["i", text, "text"]]}).to_string();
    let inputs = vec![Input { source: InputSource::Text(text), hint: None, marker: None }];
    let param = |name: &str, value: &str| Param { name: name.into(), values: vec![value.into()] };
    let params = vec![param("model", "llama3.2"), param("system", WORDS)];
    JobState {
        job: Arc::new(Job { inputs, params, origin, bid: None, ..(*first.job).clone() }),
        ..first
    }
}

/// The same job, delivered for free, and ended at this time.
fn delivered(number: u64, bytes: usize, ended_at: u64) -> JobState {
    let full = done(number);
    let output = full.output.clone().map(|output| Output { content: WORDS.repeat(3), ..output });
    let evidence = full.evidence.clone().map(|evidence| Evidence {
        checks: vec![Check {
            name: "c".into(),
            outcome: CheckOutcome::Skipped(WORDS.into()),
            detail: WORDS.into(),
        }],
        ..evidence
    });
    JobState {
        delivery: Delivery::Delivered,
        invoicing: Invoicing::None,
        settlement: Settlement::None,
        invoice: None,
        due: Msat::ZERO,
        ended_at: Some(at(ended_at)),
        output,
        evidence,
        job: asked(number, bytes).job,
        ..full
    }
}

/// Decisions about it, with texts.
fn decided(state: &JobState) -> Vec<Row> {
    let row = |function, input: String, output: Result<String, _>| {
        let row = DecisionRow { job: state.job.id, function, input, output, ..decision(0) };
        Row::Decision(Box::new(row))
    };
    let situation = Situation { now: at(1), queued: 0, running: 1, capacity: 1, extra: Vec::new() };
    let made: Result<Output, JobError> = Ok(state.output.clone().unwrap_or_default());
    vec![
        row(GuestFunction::Quote, "{\"now\":1000}".into(), Ok("{\"ok\":1}".into())),
        row(GuestFunction::Run, "\"\"".into(), Ok(serde_json::to_string(&made).unwrap())),
        row(
            GuestFunction::Judge,
            serde_json::to_string(&(
                &state.evidence.clone().unwrap_or_else(|| done(1).evidence.unwrap()),
                situation,
            ))
            .unwrap(),
            Ok(serde_json::to_string(&Verdict::Reject(WORDS.into())).unwrap()),
        ),
    ]
}

async fn write(test: &TestJournal, state: &JobState) {
    let admitted = JobState { job: state.job.clone(), ..job(0) };
    let mut rows = vec![Row::Admit(Box::new(admitted))];
    rows.extend(decided(state));
    rows.push(Row::Update(Box::new(state.clone())));
    test.journal.commit(rows.into()).await.unwrap();
}

/// Purges more often than necessary.
async fn purged(test: &TestJournal) {
    for _ in 0..32 {
        test.journal.purge().await.unwrap();
    }
}

fn read(test: &TestJournal, number: u64) -> JobState {
    test.journal.job(id(number)).unwrap().unwrap()
}

/// All cells of the tables that contain texts.
fn dump(test: &TestJournal) -> String {
    let outside = test.sqlite();
    let all = |sql: &str| -> String {
        let mut statement = outside.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..columns).map(|column| {
                row.get::<_, rusqlite::types::Value>(column).map(|cell| format!("{cell:?}"))
            });
            cells.collect::<rusqlite::Result<String>>()
        });
        rows.unwrap().map(Result::unwrap).collect()
    };
    all("SELECT * FROM jobs") + &all("SELECT * FROM decisions") + &all("SELECT * FROM outbox")
}

fn file_bytes(test: &TestJournal) -> u64 {
    ["db", "db-wal"]
        .iter()
        .map(|ending| test.path().with_extension(ending).metadata().map_or(0, |file| file.len()))
        .sum()
}

/// The maintained total, compared with the sum. One query, because the writer may be running.
fn kept_bytes(test: &TestJournal) -> u64 {
    let query = "SELECT bytes, (SELECT coalesce(sum(bytes), 0) FROM retained_texts) \
                 FROM retained_texts_total";
    let (total, sum): (u64, u64) =
        test.sqlite().query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(sum, total);
    total
}

/// Goal: a customer who sends requests and withdraws them cannot fill the disk. Method: 600
/// requests of 62 KB, each withdrawn. The same commit deletes the texts, and the file needs less
/// than 4 KiB for each.
#[tokio::test]
async fn a_withdrawn_request_leaves_only_numbers() {
    const ATTACK: u64 = 600;
    let test = with_key();
    for number in 0..ATTACK {
        let first = asked(number, 62_000);
        let mut rows = vec![Row::Admit(Box::new(first.clone()))];
        rows.extend(decided(&first).into_iter().take(2));
        test.journal.commit(rows.into()).await.unwrap();
        let withdrawn =
            JobState { execution: Execution::Cancelled, ended_at: Some(at(1002)), ..first };
        test.journal.commit(vec![Row::Update(Box::new(withdrawn))].into()).await.unwrap();
    }
    let found = read(&test, 3);
    assert_eq!((found.execution, found.text_purged_at), (Execution::Cancelled, Some(at(1002))));
    assert_eq!(found.job.input_bytes(), asked(3, 62_000).job.input_bytes());
    assert!(!dump(&test).contains(WORDS));
    assert_eq!((test.count("jobs"), kept_bytes(&test) < ATTACK * 2048), (ATTACK, true));
    // The log is reused from 16 MiB on; the file itself contains the remaining data.
    let database = test.path().metadata().unwrap().len();
    assert!(database < ATTACK * 4096, "{database}");
    assert!(file_bytes(&test) < ATTACK * 62_000 * 2 / 3, "{}", file_bytes(&test));
}

/// Goal: texts are purged when they are old and not before, and numbers are kept. Method: jobs of
/// several ages and states, then the remaining data of each; a late payment restores no text.
#[tokio::test]
async fn old_texts_are_purged_and_numbers_kept() {
    let test = with_key();
    let (old, young) = (delivered(1, 5000, now() - 31 * DAY), delivered(2, 5000, now() - 29 * DAY));
    let held = JobState { delivery: Delivery::InReview, ..delivered(3, 5000, 1003) };
    let sending = JobState { delivery: Delivery::Queued, ..delivered(4, 5000, 1003) };
    for state in [&old, &young, &held, &sending] {
        write(&test, state).await;
    }
    test.journal.set_retention(Retention { seconds: 30 * DAY, ..UNLIMITED });
    purged(&test).await;
    for state in [&young, &held, &sending] {
        let found = test.journal.job(state.job.id).unwrap().unwrap();
        assert_eq!(found.text_purged_at, None);
        assert_eq!((&found.job, &found.output), (&state.job, &state.output));
    }
    let found = read(&test, 1);
    let since = found.text_purged_at.unwrap();
    assert!(since.get() >= old.ended_at.unwrap().get() + 30 * DAY && since.get() <= now());
    let place = |state: &JobState| {
        state.evidence.clone().map(|evidence| (evidence.usage, evidence.route, evidence.attempt))
    };
    assert_eq!(
        (place(&found), &found.plan, found.ended_at),
        (place(&old), &JobState { job: old.job.clone(), ..job(0) }.plan, old.ended_at)
    );
    let inputs: Vec<_> = found.job.inputs.iter().map(|input| input.source.clone()).collect();
    assert_eq!(inputs, [InputSource::Purged(old.job.input_bytes())]);
    assert_eq!(found.job.params, [old.job.params[0].clone()], "the part that policies saw");
    assert_eq!((&found.output, found.job.origin.as_str()), (&None, ""));
    let decisions = ReadOnlyJournal::open(&test.path()).unwrap().decisions(id(1)).unwrap();
    let marks: Vec<_> =
        decisions.iter().map(|one| (one.function.as_str(), one.text_purged_at.is_some())).collect();
    assert_eq!(marks, [("quote", false), ("run", true), ("judge", true)]);
    assert_eq!(decisions[0].output.as_deref(), Ok("{\"ok\":1}"));
    let made: Result<Output, JobError> =
        serde_json::from_str(decisions[1].output.as_ref().unwrap()).unwrap();
    assert_eq!(made.unwrap().content, test.journal.digest(id(1), &WORDS.repeat(3)));
    let late = JobState { settlement: Settlement::RefundDue, paid: Msat::new(5), ..old.clone() };
    test.journal.commit(vec![Row::Update(Box::new(late))].into()).await.unwrap();
    let found = read(&test, 1);
    assert_eq!((found.paid, found.output, found.text_purged_at), (Msat::new(5), None, Some(since)));
    // Only the other jobs have text now.
    test.journal.set_retention(Retention { seconds: 0, ..UNLIMITED });
    test.journal
        .commit(
            vec![Row::Update(Box::new(JobState { delivery: Delivery::Delivered, ..sending }))]
                .into(),
        )
        .await
        .unwrap();
    purged(&test).await;
    assert_eq!(
        [2, 3, 4].map(|number| read(&test, number).text_purged_at.is_some()),
        [true, false, true]
    );
    assert_eq!(kept_bytes(&test), 0);
}

fn mac_checks(test: &TestJournal, number: u64) -> Vec<MacCheck> {
    let recorded = ReadOnlyJournal::open(&test.path()).unwrap().recorded_of(id(number)).unwrap();
    recorded.iter().map(|one| one.check_mac(&TextCipher::new(&KEY))).collect()
}

/// Goal: purging texts keeps valid MACs valid, and does not hide a change. Method: three jobs, one
/// of them changed before its texts are purged and one after; a fourth whose public parameters are
/// too long to be retained.
#[tokio::test]
async fn redacted_decisions_get_a_new_mac() {
    let test = with_key();
    let long = delivered(4, 5000, 1003);
    let model = Param { name: "model".into(), values: vec![WORDS.repeat(200)] };
    let long =
        JobState { job: Arc::new(Job { params: vec![model], ..(*long.job).clone() }), ..long };
    for state in
        [delivered(1, 5000, 1003), delivered(2, 5000, 1003), delivered(3, 5000, 1003), long]
    {
        write(&test, &state).await;
    }
    let change = |number: u64| {
        let changed =
            "UPDATE decisions SET output = output || ' ' WHERE function = 'run' AND job_id = ?1";
        assert_eq!(test.sqlite().execute(changed, [id(number).to_hex()]).unwrap(), 1);
    };
    change(2);
    test.journal.set_retention(Retention { seconds: 0, ..UNLIMITED });
    purged(&test).await;
    assert!(read(&test, 3).text_purged_at.is_some() && !dump(&test).contains(WORDS));
    change(3);
    let valid = MacCheck::Valid;
    assert_eq!(mac_checks(&test, 1), [valid; 3]);
    assert_eq!(
        (mac_checks(&test, 2), mac_checks(&test, 3)),
        (vec![valid, MacCheck::Invalid, valid], vec![valid, MacCheck::Invalid, valid])
    );
    let of_long = ReadOnlyJournal::open(&test.path()).unwrap().recorded_of(id(4)).unwrap();
    assert!(
        of_long
            .iter()
            .all(|one| one.text_purged_at.is_some()
                && one.check_mac(&TextCipher::new(&KEY)) == valid),
        "{of_long:?}"
    );
    // A false `text_purged_at` is a change too.
    write(&test, &JobState { delivery: Delivery::InReview, ..delivered(5, 5000, 1003) }).await;
    test.sqlite()
        .execute("UPDATE decisions SET text_purged_at = 7 WHERE job_id = ?1", [id(5).to_hex()])
        .unwrap();
    assert_eq!(mac_checks(&test, 5), [MacCheck::Invalid; 3]);
}

/// Goal: the size of all texts is limited, the oldest are purged first, and the file shrinks.
/// Method: more text than the limit, then a smaller limit.
#[tokio::test]
async fn the_size_of_all_texts_is_limited() {
    let test = with_key();
    let limit = 2 << 20;
    test.journal.set_retention(Retention { bytes: limit, ..UNLIMITED });
    for number in 0..100 {
        write(&test, &delivered(number, 62_000, 1000 + number)).await;
        assert!(kept_bytes(&test) < limit + 4 * 70_000, "{number}");
    }
    purged(&test).await;
    let kept = |test: &TestJournal| {
        (0..100).map(|number| read(test, number).text_purged_at.is_none()).collect::<Vec<_>>()
    };
    let first = kept(&test).iter().position(|kept| *kept).unwrap();
    assert!((60..90).contains(&first) && kept(&test)[first..].iter().all(|kept| *kept), "{first}");
    assert!(kept_bytes(&test) <= limit);
    let before = test.path().metadata().unwrap().len();
    test.journal.set_retention(Retention { bytes: 1, ..UNLIMITED });
    purged(&test).await;
    assert!(!kept(&test).contains(&true) && !dump(&test).contains(WORDS));
    test.sqlite().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let after = test.path().metadata().unwrap().len();
    assert!(after < 100 * 4096 + (1 << 21), "{before} {after}");
}

/// Goal: a digest confirms a guessed text only with the node's key. Method: the same text with
/// other keys, for other jobs, and without a key.
#[test]
fn digests_are_keyed() {
    let cipher = TextCipher::new(&KEY);
    let digest = cipher.digest(id(1), "yes");
    assert_eq!(digest, TextCipher::new(&KEY).digest(id(1), "yes"));
    let others = [
        cipher.digest(id(1), "no"),
        cipher.digest(id(2), "yes"),
        TextCipher::new(&[8; 32]).digest(id(1), "yes"),
    ];
    assert!(!others.contains(&digest) && !digest.contains(&Digest::of(b"yes").to_hex()));
    assert!(!TextCipher::default().digest(id(1), "yes").contains(':'));
}

/// Goal: the sum of refunds due is known. Method: two jobs with a refund due and one without.
#[tokio::test]
async fn refunds_due_are_summed() {
    let test = with_key();
    for (number, settlement) in
        [(1, Settlement::RefundDue), (2, Settlement::Paid), (3, Settlement::RefundDue)]
    {
        let state = JobState { settlement, paid: Msat::new(1000 * number), ..done(number) };
        test.journal.commit(vec![Row::Admit(Box::new(state))].into()).await.unwrap();
    }
    assert_eq!(test.journal.earnings(0).unwrap().refund_due, Msat::new(4000));
    let refunded = JobState { settlement: Settlement::Refunded, paid: Msat::new(3000), ..done(3) };
    test.journal.commit(vec![Row::Update(Box::new(refunded))].into()).await.unwrap();
    assert_eq!(test.journal.earnings(0).unwrap().refund_due, Msat::new(1000));
}

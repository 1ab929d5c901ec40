//! What was written of a job goes in time, its numbers stay, and the file stays bounded whoever fills it.

use super::*;
use crate::journal::{Books, Retention, Safe, Seal, migrations};
use pylon_core::decision::{Situation, Verdict};
use pylon_core::ports::guests::JobError;
use pylon_core::ports::journal::{Journal as _, Row};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
const FOR_GOOD: Retention = Retention { seconds: u64::MAX, bytes: u64::MAX };
const WORDS: &str = "canary-5e11 ";
const KEY: [u8; 32] = [7; 32];

fn shelf() -> Shelf {
    let folder = tempfile::tempdir().unwrap();
    let journal =
        SqliteJournal::open_with(&folder.path().join("pylon.db"), Safe::new(&KEY)).unwrap();
    Shelf { folder, journal }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Text of about so many bytes, in the request once and in the request as it came once more.
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

/// The same, done and delivered for nothing at this time.
fn delivered(number: u64, bytes: usize, ended_at: u64) -> JobState {
    let full = done(number);
    let output = full.output.clone().map(|output| Output { content: WORDS.repeat(3), ..output });
    let evidence = full.evidence.clone().map(|evidence| Evidence {
        checks: vec![Check {
            name: "c".into(),
            outcome: Outcome::Skipped(WORDS.into()),
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

/// What the guests said of it, with texts.
fn decided(state: &JobState) -> Vec<Row> {
    let row = |function, input: String, output: Result<String, _>| {
        let row = DecisionRow { job: state.job.id, function, input, output, ..decision(0) };
        Row::Decision(Box::new(row))
    };
    let situation = Situation { now: at(1), queued: 0, running: 1, capacity: 1, extra: Vec::new() };
    let made: Result<Output, JobError> = Ok(state.output.clone().unwrap_or_default());
    vec![
        row("quote", "{\"now\":1000}".into(), Ok("{\"ok\":1}".into())),
        row("run", "\"\"".into(), Ok(serde_json::to_string(&made).unwrap())),
        row(
            "judge",
            serde_json::to_string(&(
                &state.evidence.clone().unwrap_or_else(|| done(1).evidence.unwrap()),
                situation,
            ))
            .unwrap(),
            Ok(serde_json::to_string(&Verdict::Reject(WORDS.into())).unwrap()),
        ),
    ]
}

async fn write(shelf: &Shelf, state: &JobState) {
    let admitted = JobState { job: state.job.clone(), ..job(0) };
    let mut rows = vec![Row::Admit(Box::new(admitted))];
    rows.extend(decided(state));
    rows.push(Row::Update(Box::new(state.clone())));
    shelf.journal.commit(rows.into()).await.unwrap();
}

/// Until the writer has had more turns than it can need.
async fn tidied(shelf: &Shelf) {
    for _ in 0..32 {
        shelf.journal.tidy().await.unwrap();
    }
}

fn read(shelf: &Shelf, number: u64) -> JobState {
    shelf.journal.job(id(number)).unwrap().unwrap()
}

/// Every text that a table has, in one.
fn dump(shelf: &Shelf) -> String {
    let outside = shelf.outside();
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

fn file_bytes(shelf: &Shelf) -> u64 {
    ["db", "db-wal"]
        .iter()
        .map(|ending| shelf.path().with_extension(ending).metadata().map_or(0, |file| file.len()))
        .sum()
}

/// As summed up, and as added up now: one question, for the writer may be at work.
fn kept_bytes(shelf: &Shelf) -> u64 {
    let question =
        "SELECT bytes, (SELECT coalesce(sum(bytes), 0) FROM texts_kept) FROM texts_kept_total";
    let (total, sum): (u64, u64) =
        shelf.outside().query_row(question, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(sum, total);
    total
}

/// Goal: who asks and withdraws at once leaves nothing but numbers, so the file stays bounded. Method: 600 requests of 62 KB, each withdrawn; the
/// texts are gone with that very commit, and the file has not even 62 KB for each twenty.
#[tokio::test]
async fn what_is_withdrawn_leaves_its_numbers() {
    const ATTACK: u64 = 600;
    let shelf = shelf();
    for number in 0..ATTACK {
        let first = asked(number, 62_000);
        let mut rows = vec![Row::Admit(Box::new(first.clone()))];
        rows.extend(decided(&first).into_iter().take(2));
        shelf.journal.commit(rows.into()).await.unwrap();
        let withdrawn =
            JobState { execution: Execution::Cancelled, ended_at: Some(at(1002)), ..first };
        shelf.journal.commit(vec![Row::Update(Box::new(withdrawn))].into()).await.unwrap();
    }
    let found = read(&shelf, 3);
    assert_eq!((found.execution, found.text_gone_at), (Execution::Cancelled, Some(at(1002))));
    assert_eq!(found.job.input_bytes(), asked(3, 62_000).job.input_bytes());
    assert!(!dump(&shelf).contains(WORDS));
    assert_eq!((shelf.count("jobs"), kept_bytes(&shelf) < ATTACK * 2048), (ATTACK, true));
    // The log is written anew from 16 MiB on; the file itself has what stays.
    let database = shelf.path().metadata().unwrap().len();
    assert!(database < ATTACK * 4096, "{database}");
    assert!(file_bytes(&shelf) < ATTACK * 62_000 * 2 / 3, "{}", file_bytes(&shelf));
}

/// Goal: texts go when they are old and not before, and numbers stay. Method: jobs of several ages and states; then what is left of each, which a
/// late payment does not bring back.
#[tokio::test]
async fn old_texts_go_and_numbers_stay() {
    let shelf = shelf();
    let (old, young) = (delivered(1, 5000, now() - 31 * DAY), delivered(2, 5000, now() - 29 * DAY));
    let held = JobState { delivery: Delivery::InReview, ..delivered(3, 5000, 1003) };
    let sending = JobState { delivery: Delivery::Queued, ..delivered(4, 5000, 1003) };
    for state in [&old, &young, &held, &sending] {
        write(&shelf, state).await;
    }
    shelf.journal.keep(Retention { seconds: 30 * DAY, ..FOR_GOOD });
    tidied(&shelf).await;
    for state in [&young, &held, &sending] {
        let found = shelf.journal.job(state.job.id).unwrap().unwrap();
        assert_eq!(found.text_gone_at, None);
        assert_eq!((&found.job, &found.output), (&state.job, &state.output));
    }
    let found = read(&shelf, 1);
    let since = found.text_gone_at.unwrap();
    assert!(since.get() >= old.ended_at.unwrap().get() + 30 * DAY && since.get() <= now());
    let place = |state: &JobState| {
        state.evidence.clone().map(|evidence| (evidence.usage, evidence.route, evidence.attempt))
    };
    assert_eq!(
        (place(&found), &found.plan, found.ended_at),
        (place(&old), &JobState { job: old.job.clone(), ..job(0) }.plan, old.ended_at)
    );
    let inputs: Vec<_> = found.job.inputs.iter().map(|input| input.source.clone()).collect();
    assert_eq!(inputs, [InputSource::Gone(old.job.input_bytes())]);
    assert_eq!(found.job.params, [old.job.params[0].clone()], "what policies saw of it");
    assert_eq!((&found.output, found.job.origin.as_str()), (&None, ""));
    let decisions = Books::open(&shelf.path()).unwrap().decisions(id(1)).unwrap();
    let marks: Vec<_> =
        decisions.iter().map(|one| (one.function.as_str(), one.text_gone_at.is_some())).collect();
    assert_eq!(marks, [("quote", false), ("run", true), ("judge", true)]);
    assert_eq!(decisions[0].output.as_deref(), Ok("{\"ok\":1}"));
    let made: Result<Output, JobError> =
        serde_json::from_str(decisions[1].output.as_ref().unwrap()).unwrap();
    assert_eq!(made.unwrap().content, shelf.journal.digest(id(1), &WORDS.repeat(3)));
    let late = JobState { settlement: Settlement::RefundDue, paid: Msat::new(5), ..old.clone() };
    shelf.journal.commit(vec![Row::Update(Box::new(late))].into()).await.unwrap();
    let found = read(&shelf, 1);
    assert_eq!((found.paid, found.output, found.text_gone_at), (Msat::new(5), None, Some(since)));
    // Only the others have text now.
    shelf.journal.keep(Retention { seconds: 0, ..FOR_GOOD });
    shelf
        .journal
        .commit(
            vec![Row::Update(Box::new(JobState { delivery: Delivery::Delivered, ..sending }))]
                .into(),
        )
        .await
        .unwrap();
    tidied(&shelf).await;
    assert_eq!(
        [2, 3, 4].map(|number| read(&shelf, number).text_gone_at.is_some()),
        [true, false, true]
    );
    assert_eq!(kept_bytes(&shelf), 0);
}

fn seals(shelf: &Shelf, number: u64) -> Vec<Seal> {
    let recorded = Books::open(&shelf.path()).unwrap().recorded_of(id(number)).unwrap();
    recorded.iter().map(|one| one.seal(&Safe::new(&KEY))).collect()
}

/// Goal: that texts go is no change of the record, and hides none. Method: three jobs, of which one is changed before its texts go, and one after; a
/// fourth whose public words are too long to stay.
#[tokio::test]
async fn what_is_left_is_sealed_again() {
    let shelf = shelf();
    let wordy = delivered(4, 5000, 1003);
    let model = Param { name: "model".into(), values: vec![WORDS.repeat(200)] };
    let wordy =
        JobState { job: Arc::new(Job { params: vec![model], ..(*wordy.job).clone() }), ..wordy };
    for state in
        [delivered(1, 5000, 1003), delivered(2, 5000, 1003), delivered(3, 5000, 1003), wordy]
    {
        write(&shelf, &state).await;
    }
    let change = |number: u64| {
        let changed =
            "UPDATE decisions SET output = output || ' ' WHERE function = 'run' AND job_id = ?1";
        assert_eq!(shelf.outside().execute(changed, [id(number).to_hex()]).unwrap(), 1);
    };
    change(2);
    shelf.journal.keep(Retention { seconds: 0, ..FOR_GOOD });
    tidied(&shelf).await;
    assert!(read(&shelf, 3).text_gone_at.is_some() && !dump(&shelf).contains(WORDS));
    change(3);
    let holds = Seal::Holds;
    assert_eq!(seals(&shelf, 1), [holds; 3]);
    assert_eq!(
        (seals(&shelf, 2), seals(&shelf, 3)),
        (vec![holds, Seal::Broken, holds], vec![holds, Seal::Broken, holds])
    );
    let of_wordy = Books::open(&shelf.path()).unwrap().recorded_of(id(4)).unwrap();
    assert!(
        of_wordy
            .iter()
            .all(|one| one.text_gone_at.is_some() && one.seal(&Safe::new(&KEY)) == holds),
        "{of_wordy:?}"
    );
    // Nor may anybody say that a text went which is there.
    write(&shelf, &JobState { delivery: Delivery::InReview, ..delivered(5, 5000, 1003) }).await;
    shelf
        .outside()
        .execute("UPDATE decisions SET text_gone_at = 7 WHERE job_id = ?1", [id(5).to_hex()])
        .unwrap();
    assert_eq!(seals(&shelf, 5), [Seal::Broken; 3]);
}

/// Goal: what is kept has a bound, the oldest go first, and the room is given back. Method: more than the bound, in one go; then a smaller bound.
#[tokio::test]
async fn there_is_a_bound_for_all_of_it() {
    let shelf = shelf();
    let limit = 2 << 20;
    shelf.journal.keep(Retention { bytes: limit, ..FOR_GOOD });
    for number in 0..100 {
        write(&shelf, &delivered(number, 62_000, 1000 + number)).await;
        assert!(kept_bytes(&shelf) < limit + 4 * 70_000, "{number}");
    }
    tidied(&shelf).await;
    let kept = |shelf: &Shelf| {
        (0..100).map(|number| read(shelf, number).text_gone_at.is_none()).collect::<Vec<_>>()
    };
    let first = kept(&shelf).iter().position(|kept| *kept).unwrap();
    assert!((60..90).contains(&first) && kept(&shelf)[first..].iter().all(|kept| *kept), "{first}");
    assert!(kept_bytes(&shelf) <= limit);
    let before = shelf.path().metadata().unwrap().len();
    shelf.journal.keep(Retention { bytes: 1, ..FOR_GOOD });
    tidied(&shelf).await;
    assert!(!kept(&shelf).contains(&true) && !dump(&shelf).contains(WORDS));
    shelf.outside().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let after = shelf.path().metadata().unwrap().len();
    assert!(after < 100 * 4096 + (1 << 21), "{before} {after}");
}

/// Goal: a database from before is taken along: old texts can go, a digest without a key is gone at once, and the file can shrink. Method: rows as
/// they were written, in the schema before.
#[tokio::test]
async fn a_database_from_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pylon.db");
    let mut outside = rusqlite::Connection::open(&path).unwrap();
    migrations::run(&mut outside, &migrations::STEPS[..2]).unwrap();
    for (number, confidential) in [(1, false), (2, true)] {
        let state = delivered(number, 5000, 1003);
        let asked = Job { confidential, ..(*state.job).clone() };
        let request =
            serde_json::to_string(&if confidential { asked.without_text() } else { asked })
                .unwrap();
        let plan = serde_json::to_value(&*state.plan).unwrap();
        let mut plan = plan.as_object().unwrap().clone();
        plan.remove("public");
        outside
            .execute(
                "INSERT INTO jobs (id, kind, customer_pubkey, status, delivery, invoicing, settlement, closed, attempt, route, price_msats, \
                 due_msats, paid_msats, created_at, received_at, completed_at, plan, request) VALUES \
                 (?1, 5050, 'x', 'completed', 'delivered', 'none', 'none', 1, 1, 0, 0, 0, 0, 990, 1000, 1003, ?2, ?3)",
                [id(number).to_hex(), serde_json::Value::Object(plan).to_string(), request],
            )
            .unwrap();
        let output = "{\"Ok\":{\"content\":\"sha256:00\",\"mime\":\"text/plain\",\"attributes\":[{\"name\":\"a\",\"value\":\"b\"}]}}";
        outside
            .execute(
                "INSERT INTO decisions (job_id, slot, name, version, digest, function, attempt, input, output, fuel, micros, decided_at) \
                 VALUES (?1, 'handler', 'n', '1', ?1, 'run', 1, '', ?2, 1, 1, 7)",
                [id(number).to_hex().as_str(), output],
            )
            .unwrap();
    }
    drop(outside);
    let journal = SqliteJournal::open_with(&path, Safe::new(&KEY)).unwrap();
    let shelf = Shelf { folder, journal };
    assert_eq!(read(&shelf, 1).job, delivered(1, 5000, 1003).job);
    let said =
        |number| Books::open(&shelf.path()).unwrap().decisions(id(number)).unwrap().pop().unwrap();
    assert!(said(1).text_gone_at.is_none() && said(1).output.unwrap().contains("sha256:00"));
    assert!(said(2).text_gone_at.is_some() && !said(2).output.unwrap().contains("sha256:00"));
    let mode: i64 =
        shelf.outside().pragma_query_value(None, "auto_vacuum", |row| row.get(0)).unwrap();
    assert_eq!((mode, kept_bytes(&shelf) > 5000), (2, true));
    shelf.journal.keep(Retention { seconds: DAY, ..FOR_GOOD });
    tidied(&shelf).await;
    assert!(read(&shelf, 1).text_gone_at.is_some() && kept_bytes(&shelf) == 0);
}

/// Goal: a digest confirms a guess to nobody but the node. Method: the same text under other keys and for other jobs, and without a key.
#[test]
fn a_digest_is_under_a_key() {
    let safe = Safe::new(&KEY);
    let digest = safe.digest(id(1), "yes");
    assert_eq!(digest, Safe::new(&KEY).digest(id(1), "yes"));
    let others = [
        safe.digest(id(1), "no"),
        safe.digest(id(2), "yes"),
        Safe::new(&[8; 32]).digest(id(1), "yes"),
    ];
    assert!(!others.contains(&digest) && !digest.contains(&Digest::of(b"yes").to_hex()));
    assert!(!Safe::default().digest(id(1), "yes").contains(':'));
}

/// Goal: money that is owed back is known. Method: two jobs that were paid and failed, one that was paid and not.
#[tokio::test]
async fn money_that_is_owed_back_is_known() {
    let shelf = shelf();
    for (number, settlement) in
        [(1, Settlement::RefundDue), (2, Settlement::Paid), (3, Settlement::RefundDue)]
    {
        let state = JobState { settlement, paid: Msat::new(1000 * number), ..done(number) };
        shelf.journal.commit(vec![Row::Admit(Box::new(state))].into()).await.unwrap();
    }
    assert_eq!(shelf.journal.earnings(0).unwrap().refund_due, Msat::new(4000));
    let given_back =
        JobState { settlement: Settlement::Refunded, paid: Msat::new(3000), ..done(3) };
    shelf.journal.commit(vec![Row::Update(Box::new(given_back))].into()).await.unwrap();
    assert_eq!(shelf.journal.earnings(0).unwrap().refund_due, Msat::new(1000));
}

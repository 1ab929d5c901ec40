//! The history of the slots, the audit log, guests next to the slots, and shadow answers.

use super::*;
use crate::slot_changes::{AUDIT_PRUNE_INTERVAL, AUDIT_ROWS_MAX};
use crate::{AnswerPair, ReadOnlyJournal};
use pylon_core::guest::{Fault, GuestFunction};
use pylon_core::installation::{
    Audit, Installation, InstalledGuest, PendingGuest, PendingKind, ShadowRow,
};
use pylon_core::ports::installations::Installations as _;
use pylon_core::rows::Row;

fn guest(name: &str) -> InstalledGuest {
    InstalledGuest {
        digest: Digest::of(name.as_bytes()),
        name: name.into(),
        version: "1".into(),
        source: "/a.wasm".into(),
        settings: [("a".to_owned(), "1".to_owned())].into(),
        grants: vec!["progress".into()],
        limits: [("fuel".to_owned(), u64::MAX)].into(),
        publisher: Some(customer(1)),
    }
}

fn pending(slot: &str, purpose: PendingKind, name: &str) -> PendingGuest {
    PendingGuest {
        slot: slot.into(),
        kind: purpose,
        guest: guest(name),
        extra_grants: vec!["inference".into()],
        since: at(5),
    }
}

async fn write(test: &TestJournal, rows: Vec<Row>) {
    test.journal.commit(rows.into()).await.unwrap();
}

fn audit(slot: &str, guest: &str, outcome: &str) -> Audit {
    Audit {
        at: at(1),
        action: "install".into(),
        slot: slot.into(),
        digest: Some(Digest::of(guest.as_bytes())),
        guest: format!("{guest} 1"),
        publisher: None,
        outcome: outcome.into(),
        detail: "from /a.wasm".into(),
    }
}

/// Goal: the audit log is limited, keeps the installation of each guest of the history, and
/// repeated refusals displace no successful change. Method: three guests in two slots; then more
/// refusals than are kept; then more successful changes of the same components than are kept.
#[tokio::test]
async fn the_audit_log_is_limited() {
    let test = TestJournal::new();
    let install = |revision, slot: &str, name: &str| {
        let row = Installation {
            revision,
            slot: slot.into(),
            guest: Some(guest(name)),
            config: "null".into(),
            cause: "install".into(),
            at: at(revision),
        };
        let installed = Audit { at: at(revision), ..audit(slot, name, "done") };
        [Row::Install(Box::new(row)), Row::Audit(Box::new(installed))]
    };
    let tried = |action: &str, name: &str, outcome: &str| {
        Row::Audit(Box::new(Audit {
            at: at(9),
            action: action.into(),
            ..audit("pricing", name, outcome)
        }))
    };
    write(
        &test,
        [install(1, "routing", "a"), install(2, "pricing", "a"), install(3, "pricing", "b")]
            .concat(),
    )
    .await;
    let many = AUDIT_ROWS_MAX + AUDIT_PRUNE_INTERVAL;
    write(&test, vec![tried("install", "c", "digest")]).await;
    write(&test, (0..many).map(|_| tried("start", "b", "unavailable")).collect()).await;
    let all = || test.journal.audit(usize::try_from(4 * many).unwrap()).unwrap();
    let refused =
        i64::try_from(all().iter().filter(|row| row.outcome == "unavailable").count()).unwrap();
    assert!((AUDIT_ROWS_MAX..many).contains(&refused), "{refused}");
    write(
        &test,
        (0..many)
            .map(|number| tried("shadow", ["a", "b"][usize::from(number % 2 == 0)], "done"))
            .collect(),
    )
    .await;
    let done: Vec<_> = all().into_iter().filter(|row| row.outcome == "done").collect();
    assert!(
        (AUDIT_ROWS_MAX..many + 3).contains(&i64::try_from(done.len()).unwrap()),
        "{}",
        done.len()
    );
    let oldest: Vec<_> = done
        .iter()
        .rev()
        .take(3)
        .map(|row| format!("{} {} {}", row.action, row.slot, row.guest))
        .collect();
    assert_eq!(oldest, ["install routing a 1", "install pricing a 1", "install pricing b 1"]);
}

/// Goal: history, audit log and pending guests are read as written, and there is one pending guest
/// per slot and kind. Method: write, replace and remove them.
#[tokio::test]
async fn slots_are_read_as_written() {
    let test = TestJournal::new();
    let row = |revision, guest| Installation {
        revision,
        slot: "pricing".into(),
        guest,
        config: "null".into(),
        cause: "install".into(),
        at: at(revision),
    };
    let audit = |outcome| audit("pricing", "a", outcome);
    let history = vec![row(1, Some(guest("a"))), row(2, None)];
    let mut rows: Vec<_> = history.iter().cloned().map(|row| Row::Install(Box::new(row))).collect();
    rows.extend(["done", "digest"].map(|outcome| Row::Audit(Box::new(audit(outcome)))));
    rows.push(Row::PutPending(Box::new(pending("pricing", PendingKind::Shadow, "old"))));
    rows.push(Row::PutPending(Box::new(pending("pricing", PendingKind::Shadow, "new"))));
    rows.push(Row::PutPending(Box::new(pending("handler:5050", PendingKind::Approval, "more"))));
    write(&test, rows).await;
    assert_eq!(test.journal.installations().unwrap(), history);
    assert_eq!(test.journal.audit(1).unwrap(), [audit("digest")], "the newest first");
    let expected = [
        pending("handler:5050", PendingKind::Approval, "more"),
        pending("pricing", PendingKind::Shadow, "new"),
    ];
    assert_eq!(test.journal.pending_guests().unwrap(), expected);
    assert_eq!(ReadOnlyJournal::open(&test.path()).unwrap().pending_guests().unwrap(), expected);
    write(
        &test,
        vec![
            Row::RemovePending("pricing".into(), PendingKind::Shadow),
            Row::RemovePending("pricing".into(), PendingKind::Approval),
        ],
    )
    .await;
    assert_eq!(test.journal.pending_guests().unwrap().len(), 1);
    let duplicate = test.journal.commit([Row::Install(Box::new(row(2, None)))].into()).await;
    assert!(
        matches!(duplicate, Err(pylon_core::ports::journal::JournalError::Contradicts(_))),
        "{duplicate:?}"
    );
}

/// Goal: a shadow's answer belongs to a decision, is read for the time since the shadow was added,
/// and is deleted with the decision. Method: one answer to the first of two decisions that differ
/// only in their question, one to none, and a purged refusal.
#[tokio::test]
async fn a_shadow_answer_belongs_to_a_decision() {
    let test = TestJournal::new();
    let answer = |number, output| ShadowRow {
        slot: "pricing".into(),
        digest: Digest::of(b"shadow"),
        job: id(number),
        function: GuestFunction::Quote,
        attempt: 0,
        input: decision(number).input,
        output,
        fuel: 9,
    };
    let shadow = |number, output| Row::Shadow(Box::new(answer(number, output)));
    write(
        &test,
        vec![
            Row::Refuse(Box::new(refusal(1, 900))),
            Row::Decision(Box::new(decision(1))),
            Row::Decision(Box::new(DecisionRow {
                input: "{\"now\":1001}".into(),
                output: Ok("{\"ok\":2}".into()),
                ..decision(1)
            })),
        ],
    )
    .await;
    write(&test, vec![shadow(1, Err(Fault::Fuel)), shadow(2, Ok("1".into()))]).await;
    let mut pairs = Vec::new();
    let reader = ReadOnlyJournal::open(&test.path()).unwrap();
    reader
        .pairs("pricing", Digest::of(b"shadow"), at(1001), 9, |pair| {
            panic!("older than the shadow: {pair:?}")
        })
        .unwrap();
    reader.pairs("pricing", Digest::of(b"shadow"), at(1000), 9, |pair| pairs.push(pair)).unwrap();
    let active = Ok("{\"ok\":1}".into());
    let pair = AnswerPair {
        job: id(1),
        function: "quote".into(),
        active,
        shadow: Err(Fault::Fuel),
        fuel: 9,
        at: at(1000),
    };
    assert_eq!(pairs, [pair]);
    let much_later = RefusalRow { at: at(100_000_000), ..refusal(3, 100_000_000) };
    write(&test, vec![Row::Refuse(Box::new(much_later))]).await;
    assert_eq!((test.count("decisions"), test.count("shadow_answers")), (0, 0));
}

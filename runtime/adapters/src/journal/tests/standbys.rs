//! Who stands beside the slots, and what shadows said.

use super::*;
use crate::journal::installations::{AUDIT_ROOM, AUDIT_ROWS};
use crate::journal::{Books, Pair};
use pylon_core::ports::guests::Fault;
use pylon_core::ports::installations::{
    Audit, Installation, Installations as _, Installed, Purpose, ShadowRow, Standby,
};
use pylon_core::ports::journal::Row;

fn guest(name: &str) -> Installed {
    Installed {
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

fn standby(slot: &str, purpose: Purpose, name: &str) -> Standby {
    Standby {
        slot: slot.into(),
        purpose,
        guest: guest(name),
        beyond: vec!["inference".into()],
        since: at(5),
    }
}

async fn write(shelf: &Shelf, rows: Vec<Row>) {
    shelf.journal.commit(rows.into()).await.unwrap();
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

/// Goal: the record has an end, says of every guest of the history how it came, and who is refused again and again displaces nothing of what was done. Method:
/// three guests in two slots; then refusals, more than are kept; then shadows of the same components, more than are kept.
#[tokio::test]
async fn the_record_has_an_end() {
    let shelf = Shelf::new();
    let install = |generation, slot: &str, name: &str| {
        let row = Installation {
            generation,
            slot: slot.into(),
            guest: Some(guest(name)),
            stanza: "null".into(),
            why: "install".into(),
            at: at(generation),
        };
        let told = Audit { at: at(generation), ..audit(slot, name, "done") };
        [Row::Install(Box::new(row)), Row::Audit(Box::new(told))]
    };
    let tried = |action: &str, name: &str, outcome: &str| {
        Row::Audit(Box::new(Audit {
            at: at(9),
            action: action.into(),
            ..audit("pricing", name, outcome)
        }))
    };
    write(
        &shelf,
        [install(1, "routing", "a"), install(2, "pricing", "a"), install(3, "pricing", "b")]
            .concat(),
    )
    .await;
    let many = AUDIT_ROWS + AUDIT_ROOM;
    write(&shelf, vec![tried("install", "c", "digest")]).await;
    write(&shelf, (0..many).map(|_| tried("start", "b", "gone")).collect()).await;
    let all = || shelf.journal.audit(usize::try_from(4 * many).unwrap()).unwrap();
    let refused = i64::try_from(all().iter().filter(|row| row.outcome == "gone").count()).unwrap();
    assert!((AUDIT_ROWS..many).contains(&refused), "{refused}");
    write(
        &shelf,
        (0..many)
            .map(|number| tried("shadow", ["a", "b"][usize::from(number % 2 == 0)], "done"))
            .collect(),
    )
    .await;
    let done: Vec<_> = all().into_iter().filter(|row| row.outcome == "done").collect();
    assert!((AUDIT_ROWS..many + 3).contains(&i64::try_from(done.len()).unwrap()), "{}", done.len());
    let oldest: Vec<_> = done
        .iter()
        .rev()
        .take(3)
        .map(|row| format!("{} {} {}", row.action, row.slot, row.guest))
        .collect();
    assert_eq!(oldest, ["install routing a 1", "install pricing a 1", "install pricing b 1"]);
}

/// Goal: history, record and standbys come back as they were written, and one place holds one guest. Method: each of them, replaced and taken away.
#[tokio::test]
async fn slots_and_who_stands_beside() {
    let shelf = Shelf::new();
    let row = |generation, guest| Installation {
        generation,
        slot: "pricing".into(),
        guest,
        stanza: "null".into(),
        why: "install".into(),
        at: at(generation),
    };
    let audit = |outcome| audit("pricing", "a", outcome);
    let history = vec![row(1, Some(guest("a"))), row(2, None)];
    let mut rows: Vec<_> = history.iter().cloned().map(|row| Row::Install(Box::new(row))).collect();
    rows.extend(["done", "digest"].map(|outcome| Row::Audit(Box::new(audit(outcome)))));
    rows.push(Row::Stand(Box::new(standby("pricing", Purpose::Shadow, "old"))));
    rows.push(Row::Stand(Box::new(standby("pricing", Purpose::Shadow, "new"))));
    rows.push(Row::Stand(Box::new(standby("handler:5050", Purpose::Approval, "more"))));
    write(&shelf, rows).await;
    assert_eq!(shelf.journal.installations().unwrap(), history);
    assert_eq!(shelf.journal.audit(1).unwrap(), [audit("digest")], "the newest first");
    let expected = [
        standby("handler:5050", Purpose::Approval, "more"),
        standby("pricing", Purpose::Shadow, "new"),
    ];
    assert_eq!(shelf.journal.standbys().unwrap(), expected);
    assert_eq!(Books::open(&shelf.path()).unwrap().standbys().unwrap(), expected);
    write(
        &shelf,
        vec![
            Row::Leave("pricing".into(), Purpose::Shadow),
            Row::Leave("pricing".into(), Purpose::Approval),
        ],
    )
    .await;
    assert_eq!(shelf.journal.standbys().unwrap().len(), 1);
    let taken = shelf.journal.commit([Row::Install(Box::new(row(2, None)))].into()).await;
    assert!(
        matches!(taken, Err(pylon_core::ports::journal::JournalError::Contradicts(_))),
        "{taken:?}"
    );
}

/// Goal: a shadow's answer stands beside the decision whose question it was, counts from when the shadow came, and goes with the decision. Method: one for a decision, one for none, and the decision
/// of a refusal that is forgotten.
#[tokio::test]
async fn what_a_shadow_said() {
    let shelf = Shelf::new();
    let answer = |number, output| ShadowRow {
        slot: "pricing".into(),
        digest: Digest::of(b"shadow"),
        job: id(number),
        function: "quote",
        attempt: 0,
        output,
        fuel: 9,
    };
    let shadow = |number, output| Row::Shadow(Box::new(answer(number, output)));
    write(
        &shelf,
        vec![Row::Refuse(Box::new(refusal(1, 900))), Row::Decision(Box::new(decision(1)))],
    )
    .await;
    write(&shelf, vec![shadow(1, Err(Fault::Fuel)), shadow(2, Ok("1".into()))]).await;
    let mut pairs = Vec::new();
    let books = Books::open(&shelf.path()).unwrap();
    books
        .pairs("pricing", Digest::of(b"shadow"), at(1001), 9, |pair| {
            panic!("before the shadow was there: {pair:?}")
        })
        .unwrap();
    books.pairs("pricing", Digest::of(b"shadow"), at(1000), 9, |pair| pairs.push(pair)).unwrap();
    let active = Ok("{\"ok\":1}".into());
    let pair = Pair {
        job: id(1),
        function: "quote".into(),
        active,
        shadow: Err(Fault::Fuel),
        fuel: 9,
        at: at(1000),
    };
    assert_eq!(pairs, [pair]);
    let much_later = RefusalRow { at: at(100_000_000), ..refusal(3, 100_000_000) };
    write(&shelf, vec![Row::Refuse(Box::new(much_later))]).await;
    assert_eq!((shelf.count("decisions"), shelf.count("shadows")), (0, 0));
}

//! Replay of recorded decisions, and detection of a changed log.

use super::sold_jobs::SoldJobs;
use pylon_authoring::replay::{
    LogReport, NotReplayable, ReplayOutcome, ReplaySubject, check, verify,
};
use pylon_core::guest::GuestFunction;
use pylon_core::{JobId, UnixTime};
use pylon_journal::{MacCheck, ReadOnlyJournal, TextCipher};
use pylon_tests::market::text;
use pylon_tests::program::{PHRASE, Program, said, started};
use pylon_tests::stub::Script;
use std::path::Path;

const ALWAYS: UnixTime = UnixTime::new(0);

async fn outcomes(
    sold: &SoldJobs,
    past: &mut pylon_slots::HistoricalGuests,
    job: JobId,
) -> Vec<(String, ReplayOutcome)> {
    let journal = sold.journal();
    let subject = ReplaySubject::read(&journal, job).unwrap();
    let mut all = Vec::new();
    for recorded in journal.recorded_of(job).unwrap() {
        assert_eq!(recorded.check_mac(&sold.cipher()), MacCheck::Valid);
        assert_eq!(
            recorded.check_mac(&TextCipher::new(&[7; 32])),
            MacCheck::Invalid,
            "another key"
        );
        let outcome = check(past, &journal, &recorded, &subject).await.unwrap();
        all.push((recorded.function, outcome));
    }
    all
}

/// Goal: decisions of real guests about real jobs are repeated, policies in output and fuel, the
/// handler in output. Method: jobs sold by a node, replayed from its journal; then the whole log.
#[tokio::test(flavor = "multi_thread")]
async fn replay_repeats_recorded_jobs() {
    let sold = SoldJobs::new().await;
    let mut past = sold.past();
    for job in sold.paid.iter().chain([&sold.unpaid]) {
        let found = outcomes(&sold, &mut past, *job).await;
        let functions: Vec<_> = found.iter().map(|(function, _)| function.as_str()).collect();
        assert_eq!(functions, ["rank", "quote", "run", "judge", "settle"]);
        assert!(found.iter().all(|(_, outcome)| *outcome == ReplayOutcome::Equal), "{found:?}");
    }
    let refused = outcomes(&sold, &mut past, sold.refused).await;
    assert!(
        refused.len() == 2 && refused.iter().all(|(_, outcome)| *outcome == ReplayOutcome::Equal),
        "{refused:?}"
    );
    let hidden = outcomes(&sold, &mut past, sold.confidential).await;
    assert!(
        hidden
            .iter()
            .all(|(_, outcome)| *outcome
                == ReplayOutcome::NotReplayable(NotReplayable::Confidential)),
        "{hidden:?}"
    );

    let verified =
        verify(&mut past, &sold.journal(), Some(&sold.cipher()), ALWAYS, |_| {}).await.unwrap();
    assert!(verified.is_good(), "{verified:?}");
    assert_eq!(
        (verified.equal, verified.not_replayable["confidential"], verified.decisions),
        (22, 5, 27)
    );
    assert_eq!(verified.macs.unwrap().valid, 27);
}

/// Goal: a purged job is reported and counted separately, the log stays valid, and a change is
/// still found. Method: a journal after its texts were purged, as it is and changed.
#[tokio::test(flavor = "multi_thread")]
async fn purged_texts_are_not_changes() {
    let sold = SoldJobs::new().await;
    sold.forget().await;
    let mut past = sold.past();
    for job in &sold.paid {
        let found = outcomes(&sold, &mut past, *job).await;
        let gone = ReplayOutcome::NotReplayable(NotReplayable::TextPurged);
        let all: Vec<_> =
            found.iter().map(|(function, outcome)| (function.as_str(), outcome)).collect();
        let (equal, gone) = (&ReplayOutcome::Equal, &gone);
        assert_eq!(
            all,
            [("rank", equal), ("quote", equal), ("run", gone), ("judge", gone), ("settle", equal)]
        );
    }
    let verified =
        verify(&mut past, &sold.journal(), Some(&sold.cipher()), ALWAYS, |_| {}).await.unwrap();
    assert!(verified.is_good(), "{verified:?}");
    assert_eq!(
        (
            verified.not_replayable["text_purged"],
            verified.not_replayable["confidential"],
            verified.macs.unwrap().valid
        ),
        (6, 5, 27)
    );
    let change = "UPDATE decisions SET output = replace(output, 'hmac', 'hmaC') WHERE id = 3";
    let verified = changed(&sold, &mut past, Some(&sold.cipher()), change).await;
    assert!(!verified.is_good() && verified.macs.unwrap().invalid == 1, "{verified:?}");
    let output = pylon_tests::process::run(
        sold.market.folder.path(),
        &["guest", "replay", &sold.paid[0].to_hex()],
    );
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("its text was purged") && page.contains("equal"), "{page}");
}

/// Goal: a transcript has nothing of a confidential job, and each text once. Method: the inputs of
/// `run` in the journal.
#[tokio::test(flavor = "multi_thread")]
async fn transcripts_have_each_text_once_and_nothing_confidential() {
    let sold = SoldJobs::new().await;
    let journal = sold.journal();
    let input = |job| journal.recorded_last(job, GuestFunction::Run, 1).unwrap().unwrap().input;
    assert_eq!(input(sold.confidential), "null");
    let transcript = input(sold.paid[0]);
    assert!(
        !transcript.contains("one two three") && transcript.contains("\"request\""),
        "{transcript}"
    );
}

async fn changed(
    sold: &SoldJobs,
    past: &mut pylon_slots::HistoricalGuests,
    cipher: Option<&TextCipher>,
    change: &str,
) -> LogReport {
    let folder = tempfile::tempdir().unwrap();
    let path = sold.copy(folder.path());
    let outside = rusqlite::Connection::open(&path).unwrap();
    outside.execute_batch(change).unwrap();
    drop(outside);
    verify(past, &ReadOnlyJournal::open(&path).unwrap(), cipher, ALWAYS, |_| {}).await.unwrap()
}

/// Goal: whatever is changed, moved or removed is found by the MACs. Method: each column of one
/// decision, each decision removed, the last of them, and the MAC over all.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_the_log_is_found() {
    let sold = SoldJobs::new().await;
    let (mut past, cipher) = (sold.past(), sold.cipher());
    for set in [
        "id = 900",
        "job_id = (SELECT job_id FROM decisions WHERE id = 7)",
        "slot = 'routing'",
        "name = 'other'",
        "version = '9'",
        "digest = replace(digest, substr(digest, 1, 1), 'x')",
        "function = 'settle'",
        "attempt = 1",
        "input = replace(input, '\"queued\":0', '\"queued\":1')",
        "output = replace(output, 'per token', 'by magic')",
        "output = NULL, fault = 'trap'",
        "fuel = fuel + 1",
        "fuel = NULL, cpu_us = fuel",
        "wall_us = wall_us + 1",
        "decided_at = decided_at - 60",
        "revision = 0",
        "engine = 'other'",
        "mac = NULL",
        "mac = zeroblob(48)",
    ] {
        let verified = changed(
            &sold,
            &mut past,
            Some(&cipher),
            &format!("UPDATE decisions SET {set} WHERE id = 2"),
        )
        .await;
        let macs = verified.macs.unwrap();
        assert!(
            !verified.is_good() && (macs.invalid > 0 || macs.missing > 0),
            "{set}: {verified:?}"
        );
        assert!(
            verified.problems.iter().any(|problem| problem.id == 2 || problem.id == 900),
            "{set}: {verified:?}"
        );
    }
    for id in 1..=27 {
        let verified = changed(
            &sold,
            &mut past,
            Some(&cipher),
            &format!("DELETE FROM decisions WHERE id = {id}"),
        )
        .await;
        assert_eq!(verified.macs.unwrap().missing, 1, "{id}: {verified:?}");
        assert_eq!(verified.problems.iter().find(|problem| problem.job.is_none()).unwrap().id, id);
    }
    for cut in ["DELETE FROM decision_log_head", "UPDATE decision_log_head SET last = 5"] {
        let verified = changed(
            &sold,
            &mut past,
            Some(&cipher),
            &format!("DELETE FROM decisions WHERE id > 5; {cut}"),
        )
        .await;
        assert!(!verified.is_good() && verified.macs.unwrap().head_missing, "{cut}: {verified:?}");
    }
    let forged = "DELETE FROM decisions WHERE id = 4; INSERT INTO purged_decisions VALUES (4, 4, zeroblob(16))";
    assert_eq!(
        changed(&sold, &mut past, Some(&cipher), forged).await.macs.unwrap().missing,
        1,
        "a purge without a seal"
    );
}

/// Goal: replay alone finds a change of output, fuel, input or guest. Method: one change a row, and
/// no key.
#[tokio::test(flavor = "multi_thread")]
async fn replay_finds_changes_without_a_key() {
    let sold = SoldJobs::new().await;
    let mut past = sold.past();
    assert!(verify(&mut past, &sold.journal(), None, ALWAYS, |_| {}).await.unwrap().is_good());
    for (what, change) in [
        (
            "output",
            "UPDATE decisions SET output = replace(output, 'per token', 'by magic') WHERE id = 2",
        ),
        ("fuel", "UPDATE decisions SET fuel = fuel + 1 WHERE id = 1"),
        (
            "output",
            "UPDATE decisions SET input = replace(input, '\"input_tokens_estimate\":', '\"input_tokens_estimate\":1') WHERE id = 2",
        ),
        (
            "guest",
            "UPDATE decisions SET digest = replace(digest, substr(digest, 1, 1), substr(digest, 2, 1)) WHERE id = 4",
        ),
        ("guest", "UPDATE decisions SET name = 'other' WHERE id = 3"),
        (
            "output",
            "UPDATE decisions SET output = replace(output, 'one two', 'two one') WHERE id = 3",
        ),
        ("input", "UPDATE decisions SET input = '{}' WHERE id = 3"),
        ("input", "UPDATE decisions SET input = '[]' WHERE id = 5"),
        ("output", "UPDATE decisions SET output = '1' WHERE id = 5"),
    ] {
        let verified = changed(&sold, &mut past, None, change).await;
        assert!(!verified.is_good() && verified.macs.is_none(), "{change}");
        assert!(
            verified.problems.iter().any(|problem| problem.what.contains(what)),
            "{change}: {verified:?}"
        );
    }
    // Other fuel on another engine is not a change.
    let verified = changed(
        &sold,
        &mut past,
        None,
        "UPDATE decisions SET engine = 'old', fuel = fuel + 1 WHERE fuel > 0",
    )
    .await;
    assert!(verified.is_good() && verified.other_engine == 18, "{verified:?}");
    // An unavailable component is not a change either.
    let gone = "UPDATE slot_changes SET digest = replace(digest, substr(digest, 1, 1), 'f') || '' , source = 'x.wasm' WHERE slot = 'pricing'";
    let folder = tempfile::tempdir().unwrap();
    let path = sold.copy(folder.path());
    rusqlite::Connection::open(&path).unwrap().execute_batch(gone).unwrap();
    let journal = ReadOnlyJournal::open(&path).unwrap();
    let state = sold.home().open().unwrap();
    let store = pylon_slots::ComponentStore::new(state.folder("elsewhere").unwrap(), "elsewhere");
    let sandbox = pylon_sandbox::Sandbox::open(pylon_sandbox::Config::default()).unwrap();
    let mut past =
        pylon_slots::HistoricalGuests::new(sandbox, store, journal.installations().unwrap());
    let verified = verify(&mut past, &journal, None, ALWAYS, |_| {}).await.unwrap();
    assert_eq!(
        (verified.differs, verified.not_replayable["component_unavailable"]),
        (0, 9),
        "{verified:?}"
    );
}

fn database(home: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(home.join(".openagents/pylon/pylon.db")).unwrap()
}

/// Goal: an operator finds a change with two commands, while the node runs and after. Method: the
/// real program, one job, its log unchanged and changed.
#[tokio::test(flavor = "multi_thread")]
async fn replay_commands_report_changes() {
    let program = Program::new(Script::Echo).await;
    let (node, _log, _) = started(program.home(), None);
    let mut customer = program.customer().await;
    let job = customer.ask(vec![text("hello there")]).await;
    customer.result(job).await;
    let found = program.json(&["guest", "replay", &job.to_hex(), "--json"]);
    assert_eq!(
        (found["differs"].as_u64(), found["not_replayable"].as_u64()),
        (Some(0), Some(0)),
        "{found}"
    );
    assert!(
        found["decisions"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["mac"] == "valid" && one["outcome"] == "equal")
    );
    let page = program.print(&["guest", "replay", &job.to_hex()[..12]]);
    assert!(page.lines().count() >= 5 && page.contains("equal"), "{page}");
    let page = program.print(&["guest", "verify-log", "--since", "1h"]);
    assert!(page.ends_with("The log is intact.\n"), "{page}");
    node.terminate();
    drop(node);

    database(program.home())
        .execute("UPDATE decisions SET fuel = fuel + 1 WHERE function = 'rank'", [])
        .unwrap();
    let found = program.run(&["guest", "replay", &job.to_hex()]);
    assert_eq!(found.status.code(), Some(1));
    let page = String::from_utf8(found.stdout).unwrap();
    assert!(page.contains("DIFFERS in fuel; its MAC is INVALID"), "{page}");
    let found = program.run(&["guest", "verify-log", "--json"]);
    assert_eq!((found.status.code(), said(&found).as_str()), (Some(1), ""), "{PHRASE}");
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(
        (&found["good"], &found["differs"], &found["macs"]["invalid"]),
        (&false.into(), &1.into(), &1.into())
    );
    for (words, args) in [
        ("no job begins with", ["guest", "replay", "00ff00ff"]),
        ("is not a job id", ["guest", "replay", "xyz"]),
    ] {
        pylon_tests::program::check_failure(words, &program.run(&args), &[words]);
    }
}

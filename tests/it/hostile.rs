//! What strangers may try on the real node: floods, withdrawals at odd times, relays that do not take what is offered.

use pylon_adapters::journal::SqliteJournal;
use pylon_adapters::market::identity::{generate, keys};
use pylon_adapters::market::nip90::{self, RequestTag};
use pylon_core::courtesy::EACH;
use pylon_core::machine::Execution;
use pylon_core::ports::journal::{Journal as _, OutboxRow, Row};
use pylon_core::ports::market::Sealed;
use pylon_core::{JobId, MessageId, UnixTime};
use pylon_tests::stage::{PATIENCE, Set, Stage, text};
use pylon_tests::stub::Script;
use std::time::Duration;

/// Goal: a journal that cannot be written for a while costs time and no job, and nothing is said before it is written. Method: another
/// program holds the lock for longer than the node waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_journal_loses_no_job() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let other = rusqlite::Connection::open(stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let job = customer.ask(vec![text("patience")]).await;
    let silence = tokio::time::timeout(Duration::from_secs(7), customer.buyer.next()).await;
    assert!(silence.is_err(), "said before it was written: {silence:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(customer.result(job).await.content, "patience");
    let next = customer.ask(vec![text("and again")]).await;
    assert_eq!(customer.result(next).await.content, "and again");
}

/// Goal: a job whose row can never be written again takes no worker and no place with it. Method: the row of the job at work is deleted by somebody
/// else; with one worker and one more place, two more jobs get their results.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_gone_frees_the_worker() {
    let stage = Stage::set(Set { script: Script::Wait, wallet: false, max_queued_jobs: 1, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let lost = customer.ask(vec![text("lost")]).await;
    stage.until(lost, |state| state.execution == Execution::Processing).await;
    let other = rusqlite::Connection::open(stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
    other.execute("DELETE FROM jobs WHERE id = ?1", [lost.to_hex()]).unwrap();
    for words in ["one", "two"] {
        stage.stub.release();
        stage.stub.release();
        let job = customer.ask(vec![text(words)]).await;
        assert_eq!(customer.result(job).await.content, words);
    }
}

/// Goal: requests that are withdrawn at once leave numbers and nothing else. Method: large ones, each withdrawn, past a job at work; then every file.
#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_requests_do_not_fill_the_disk() {
    const JOBS: u64 = 100;
    let stage = Stage::set(Set { script: Script::Wait, wallet: false, ..Set::default() }).await;
    let busy = stage.customer().await.ask(vec![text("holds the worker")]).await;
    stage.until(busy, |state| state.execution == Execution::Processing).await;
    let customer = stage.customer().await;
    for round in 0..JOBS {
        let job = customer.ask(vec![text(&format!("{round} {}", "never mind ".repeat(5600)))]).await;
        stage.until(job, |_| true).await;
        customer.buyer.cancel(job, 5050).await.unwrap();
        let state = stage.until(job, |state| state.execution == Execution::Cancelled).await;
        assert!(state.text_gone_at.is_some() && state.job.origin.is_empty() && state.job.input_bytes() > 60_000);
    }
    let file = stage.folder.path().join(".openagents/pylon/pylon.db");
    rusqlite::Connection::open(&file).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let bytes = file.metadata().unwrap().len();
    assert!(bytes < 3 << 20, "{bytes}");
}

/// Goal: a withdrawal counts whenever it comes. Method: right behind the request, and before it, over relays that keep them apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_may_come_at_any_time() {
    let stage = Stage::set(Set { script: Script::Wait, relays: 2, ..Set::default() }).await;
    let customer = stage.customer_on(&stage.relays[..1]).await;
    let busy = customer.ask(vec![text("holds the worker")]).await;
    stage.until(busy, |state| state.execution == Execution::Processing).await;
    for round in 0..5 {
        let job = customer.ask(vec![text(&format!("never mind {round}"))]).await;
        customer.buyer.cancel(job, 5050).await.unwrap();
        stage.until(job, |state| state.execution == Execution::Cancelled).await;
    }

    let author = keys(&generate().unwrap()).unwrap();
    let (before, after) = (nostr_sdk::Client::new(author.clone()), nostr_sdk::Client::new(author.clone()));
    for (client, relay) in [(&before, &stage.relays[0]), (&after, &stage.relays[1])] {
        client.add_relay(relay.url()).await.unwrap();
        client.try_connect(PATIENCE).await;
    }
    let request = |words: &str| {
        nip90::request(5050, &[text(words), RequestTag::Provider(stage.provider())]).sign_with_keys(&author).unwrap()
    };
    let id = |event: &nostr_sdk::Event| JobId::from_bytes(event.id.to_bytes());
    let (withdrawn, first, second) = (request("withdrawn"), request("first"), request("second"));
    before.send_event(&nip90::cancellation(id(&withdrawn), 5050).sign_with_keys(&author).unwrap()).await.unwrap();
    // What comes after it over the same relay shows that it was read.
    before.send_event(&first).await.unwrap();
    stage.until(id(&first), |_| true).await;
    after.send_event(&withdrawn).await.unwrap();
    after.send_event(&second).await.unwrap();
    stage.until(id(&second), |_| true).await;
    assert_eq!(stage.job(id(&withdrawn)), None);
}

/// Goal: one customer cannot take every place. Method: one asks for more than a share of them, then another asks.
#[tokio::test(flavor = "multi_thread")]
async fn one_customer_cannot_take_every_place() {
    let stage = Stage::set(Set { script: Script::Wait, max_queued_jobs: 15, ..Set::default() }).await;
    let (mut loud, mut other) = (stage.customer().await, stage.customer().await);
    for round in 0..4 {
        let job = loud.ask(vec![text(&format!("me {round}"))]).await;
        stage.until(job, |_| true).await;
    }
    let fifth = loud.ask(vec![text("and me")]).await;
    assert!(loud.feedback(fifth, "error").await.words.contains("busy"));
    let quiet = other.ask(vec![text("you")]).await;
    stage.until(quiet, |_| true).await;
    // Served lately counts: of the loud one's jobs only those at work and one more go before it.
    stage.stub.release();
    stage.stub.release();
    stage.stub.release();
    assert_eq!(other.result(quiet).await.content, "you");
}

/// Goal: who asks for nonsense is told so many times and no more, and it costs others nothing. Method: more bad requests than are answered, then
/// a good one.
#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_answered_for_a_while() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    for _ in 0..EACH * 2 {
        customer.ask(vec![text(" "), RequestTag::Output(generate().unwrap())]).await;
    }
    let good = customer.ask(vec![text("good")]).await;
    assert_eq!(customer.result(good).await.content, "good");
    let refused = rusqlite::Connection::open(stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
    let count: u32 = refused.query_row("SELECT COUNT(*) FROM refusals", [], |row| row.get(0)).unwrap();
    // A minute may have turned meanwhile.
    assert!((EACH..=EACH * 2).contains(&count) && count > 0, "{count}");
}

/// Goal: messages that no relay takes now do not hold up a result. Method: more refusals than can be on their way at once, over a relay that
/// takes no feedback, then a good request.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_passes_what_is_stuck() {
    let stage = Stage::set(Set { wallet: false, unwanted: Some(nip90::FEEDBACK_KIND), ..Set::default() }).await;
    for _ in 0..5 {
        let customer = stage.customer().await;
        for _ in 0..EACH {
            customer.ask(vec![text(" "), RequestTag::Output(generate().unwrap())]).await;
        }
    }
    let mut customer = stage.customer().await;
    let good = customer.ask(vec![text("good")]).await;
    assert_eq!(customer.result(good).await.content, "good");
}

/// Goal: what waits in the journal goes out, however much it is. Method: more messages than fit into the queue, then a start.
#[tokio::test(flavor = "multi_thread")]
async fn all_that_waits_goes_out() {
    const MESSAGES: u32 = 2500;
    let mut stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    stage.stop(PATIENCE).await;
    let author = keys(&generate().unwrap()).unwrap();
    let journal = SqliteJournal::open(&stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
    let row = |number: u32| {
        let event = nostr_sdk::EventBuilder::text_note(number.to_string()).sign_with_keys(&author).unwrap();
        let sealed = Sealed { id: MessageId::from_bytes(event.id.to_bytes()), bytes: nostr_sdk::JsonUtil::as_json(&event) };
        let job = JobId::from_bytes([9; 32]);
        Row::Send(OutboxRow { job, result: false, sealed, expires_at: UnixTime::new(u64::from(u32::MAX)) })
    };
    journal.commit((0..MESSAGES).map(row).collect()).await.unwrap();
    stage.start().await;
    let gone = tokio::time::timeout(PATIENCE, async {
        while !journal.unsent(false, 1).unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    });
    gone.await.expect("all of them");
}

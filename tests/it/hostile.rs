//! What strangers may try on the real node: floods, withdrawals at odd times, relays that do not take what is offered.

use nostr_sdk::{EventBuilder, Keys, Kind, Tag};
use pylon_core::courtesy::EACH;
use pylon_core::machine::{Execution, Settlement};
use pylon_core::ports::journal::{Journal as _, OutboxRow, Row};
use pylon_core::ports::market::Sealed;
use pylon_core::{Digest, JobId, MessageId, UnixTime};
use pylon_journal::SqliteJournal;
use pylon_nostr::buyer::{Buyer, ProviderMessage};
use pylon_nostr::identity::{generate, keys};
use pylon_nostr::nip90::{self, AnswerTag, RequestTag};
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::stage::{PATIENCE, Set, Stage, text};
use pylon_tests::stub::Script;
use std::time::Duration;
use tokio::time::timeout;

/// Goal: a journal that cannot be written for a while costs time and no job, and nothing is said before it is written. Method: another
/// program holds the lock for longer than the node waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_journal_loses_no_job() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let other =
        rusqlite::Connection::open(stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
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
    let stage = Stage::set(Set {
        script: Script::Wait,
        wallet: false,
        max_queued_jobs: 1,
        ..Set::default()
    })
    .await;
    let mut customer = stage.customer().await;
    let lost = customer.ask(vec![text("lost")]).await;
    stage.until(lost, |state| state.execution == Execution::Processing).await;
    let other =
        rusqlite::Connection::open(stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
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
        let job =
            customer.ask(vec![text(&format!("{round} {}", "never mind ".repeat(5600)))]).await;
        stage.until(job, |_| true).await;
        customer.buyer.cancel(job, 5050).await.unwrap();
        let state = stage.until(job, |state| state.execution == Execution::Cancelled).await;
        assert!(
            state.text_gone_at.is_some()
                && state.job.origin.is_empty()
                && state.job.input_bytes() > 60_000
        );
    }
    let file = stage.folder.path().join(".openagents/pylon/pylon.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
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
    let (before, after) =
        (nostr_sdk::Client::new(author.clone()), nostr_sdk::Client::new(author.clone()));
    for (client, relay) in [(&before, &stage.relays[0]), (&after, &stage.relays[1])] {
        client.add_relay(relay.url()).await.unwrap();
        client.try_connect(PATIENCE).await;
    }
    let request = |words: &str| {
        nip90::request(5050, &[text(words), RequestTag::Provider(stage.provider())])
            .sign_with_keys(&author)
            .unwrap()
    };
    let id = |event: &nostr_sdk::Event| JobId::from_bytes(event.id.to_bytes());
    let (withdrawn, first, second) = (request("withdrawn"), request("first"), request("second"));
    before
        .send_event(&nip90::cancellation(id(&withdrawn), 5050).sign_with_keys(&author).unwrap())
        .await
        .unwrap();
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
    let stage =
        Stage::set(Set { script: Script::Wait, max_queued_jobs: 15, ..Set::default() }).await;
    let (mut loud, mut other) = (stage.customer().await, stage.customer().await);
    for round in 0..4 {
        let job = loud.ask(vec![text(&format!("me {round}"))]).await;
        stage.until(job, |_| true).await;
    }
    let fifth = loud.ask(vec![text("and me")]).await;
    assert!(loud.feedback(fifth, "error").await.message.contains("busy"));
    let quiet = other.ask(vec![text("you")]).await;
    stage.until(quiet, |_| true).await;
    // Served lately counts: of the loud one's jobs only those at work and one more go before it.
    stage.stub.release();
    stage.stub.release();
    stage.stub.release();
    assert_eq!(other.result(quiet).await.content, "you");
}

/// Goal: new keys cannot take every place, however many there are. Method: one customer pays for a job; then strangers ask for more than their half,
/// and the one who has paid asks again.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_strangers_cannot_take_every_place() {
    let stage =
        Stage::set(Set { script: Script::Wait, max_queued_jobs: 15, ..Set::default() }).await;
    let mut known = stage.customer().await;
    let bought = known.ask(vec![text("I pay")]).await;
    stage.stub.release();
    stage.bank.pay(&known.result(bought).await.due.unwrap().1.unwrap()).unwrap();
    stage.until(bought, |state| state.settlement == Settlement::Paid).await;
    for _ in 0..2 {
        let stranger = stage.customer().await;
        for round in 0..4 {
            let job = stranger.ask(vec![text(&format!("me {round}"))]).await;
            stage.until(job, |_| true).await;
        }
    }
    let mut stranger = stage.customer().await;
    let refused = stranger.ask(vec![text("and me")]).await;
    assert!(stranger.feedback(refused, "error").await.message.contains("busy"));
    let job = known.ask(vec![text("me again")]).await;
    stage.until(job, |_| true).await;
}

/// Goal: who asks for nonsense is told so many times and no more, and it costs others nothing. Method: more bad requests than are answered, then
/// a good one of somebody else. (Of the same customer it would be one of many at once, for which there may be neither a place nor a word.)
#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_answered_for_a_while() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let (mut loud, mut other) = (stage.customer().await, stage.customer().await);
    for _ in 0..EACH * 2 {
        loud.ask(vec![text(" "), RequestTag::Output(generate().unwrap())]).await;
    }
    let good = other.ask(vec![text("good")]).await;
    assert_eq!(other.result(good).await.content, "good");
    for _ in 0..EACH {
        let heard = timeout(PATIENCE, loud.buyer.next()).await.expect("told").unwrap();
        assert!(
            matches!(&heard, ProviderMessage::Feedback(feedback) if feedback.status.as_str() == "error"),
            "{heard:?}"
        );
    }
    let refused =
        rusqlite::Connection::open(stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
    let count: u32 =
        refused.query_row("SELECT COUNT(*) FROM refusals", [], |row| row.get(0)).unwrap();
    // A minute may have turned meanwhile.
    assert!((EACH..=EACH * 2).contains(&count) && count > 0, "{count}");
}

/// Goal: refusals that cannot be written now are bounded, none is lost, and they do not keep others from being served. Method: more of them than are
/// written at once while another program holds the journal, then a good request of somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_wait_are_told() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let other =
        rusqlite::Connection::open(stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut asked = Vec::new();
    for _ in 0..4 {
        let customer = stage.customer().await;
        for _ in 0..EACH {
            customer.ask(vec![text(" "), RequestTag::Output(generate().unwrap())]).await;
        }
        asked.push(customer);
    }
    let mut sensible = stage.customer().await;
    let good = sensible.ask(vec![text("good")]).await;
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(sensible.result(good).await.content, "good");
    for mut customer in asked {
        for _ in 0..EACH {
            let heard = timeout(PATIENCE, customer.buyer.next()).await.expect("told").unwrap();
            assert!(
                matches!(&heard, ProviderMessage::Feedback(feedback) if feedback.status.as_str() == "error"),
                "{heard:?}"
            );
        }
    }
}

/// Goal: whatever a stranger writes into a request, the node answers it or passes it over, and serves the next. Method: one thing wrong at a time, each
/// from another key, then a good request.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_request_harms_the_node() {
    let mut stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let node = nostr_sdk::PublicKey::from_byte_array(*stage.provider().as_bytes());
    let tag = |parts: &[&str]| Tag::parse(parts.iter().copied()).unwrap();
    let (sealed, plain) = (tag(&["encrypted"]), tag(&["i", "x", "text"]));
    let (long, now) = ("A".repeat(60_000), nostr_sdk::Timestamp::now());
    let deep = "[".repeat(30_000);
    let wrong: Vec<(&str, Vec<Tag>, nostr_sdk::Timestamp)> = vec![
        ("", vec![sealed.clone()], now),
        ("?iv=", vec![sealed.clone()], now),
        ("AAAA?iv=AAAA", vec![sealed.clone()], now),
        ("Ag==", vec![sealed.clone()], now),
        ("\u{0}\u{202e}", vec![sealed.clone()], now),
        (&long, vec![sealed], now),
        (&deep, vec![plain.clone()], now),
        ("", std::iter::repeat_n(plain.clone(), 2000).collect(), now),
        ("", vec![tag(&["i"])], now),
        ("", vec![tag(&["i", "x", "job"])], now),
        ("", vec![tag(&["i", &"f".repeat(64), "event", "wss://127.0.0.1/"])], now),
        ("", vec![tag(&["i", "http://169.254.169.254/latest", "url"])], now),
        ("", vec![tag(&["i", "x", "telepathy"])], now),
        ("", vec![plain.clone(), tag(&["bid", "-1"])], now),
        ("", vec![plain.clone(), tag(&["bid", "99999999999999999999999999"])], now),
        ("", vec![plain.clone(), tag(&["expiration", "0"])], now),
        ("", vec![plain.clone(), tag(&["param", "max_tokens", "18446744073709551616"])], now),
        ("", vec![plain.clone(), tag(&["param", "temperature", "NaN"])], now),
        ("", vec![plain.clone()], nostr_sdk::Timestamp::from_secs(0)),
        ("", vec![plain.clone()], nostr_sdk::Timestamp::from_secs(u64::from(u32::MAX))),
        ("", vec![plain], now + 1000_u64),
    ];
    for (words, tags, at) in wrong {
        let strangers = Strangers::on(&stage.relays[0], node).await;
        let event = EventBuilder::new(Kind::from_u16(5050), words)
            .tags(tags)
            .tag(Tag::public_key(node))
            .custom_created_at(at);
        // A relay may not take it either.
        let _ = strangers.client.send_event(&event.sign_with_keys(&strangers.key).unwrap()).await;
        strangers.client.disconnect().await;
    }
    let mut customer = stage.customer().await;
    let good = customer.ask(vec![text("good")]).await;
    assert_eq!(customer.result(good).await.content, "good");
    stage.stop(PATIENCE).await;
}

/// Goal: who names parts that are nowhere keeps the buyer from nothing. Method: many such answers to a request that names nobody, then a real one.
#[tokio::test(flavor = "multi_thread")]
async fn lies_about_parts_hold_up_no_answer() {
    let relay = InProcessRelay::start().await.unwrap();
    let urls = [relay.url().to_owned()];
    let keys = Keys::generate();
    let mut buyer = Buyer::connect(keys.clone(), &urls).await.unwrap();
    let job = buyer.request(5001, &[text("summarise this")]).await.unwrap();
    let strangers = Strangers::on(&relay, keys.public_key()).await;
    for number in 0..12_u8 {
        let nowhere =
            AnswerTag::Part(MessageId::from_bytes([number; 32]), Digest::of(b"")).to_tag();
        let whole = AnswerTag::Whole(Digest::of(b""), 1).to_tag();
        strangers.say(6001, "see there", [AnswerTag::Job(job).to_tag(), nowhere, whole]).await;
    }
    strangers.say(6001, "honest", [AnswerTag::Job(job).to_tag()]).await;
    let mut put_off = 0;
    let heard = loop {
        match timeout(PATIENCE, buyer.next()).await.expect("an answer").unwrap() {
            ProviderMessage::Unreadable { why, .. } if why.contains("too many") => put_off += 1,
            other => break other,
        }
    };
    assert!(
        matches!(&heard, ProviderMessage::Result(result) if result.content == "honest"),
        "{heard:?}"
    );
    assert_eq!(put_off, 12 - 8, "so many are looked for at once");
    buyer.disconnect().await;
}

/// Goal: who floods a buyer hides no answer. Method: an answer, and behind it more words than a buyer can be behind, before it reads any.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_hides_no_answer() {
    let relay = InProcessRelay::start().await.unwrap();
    let urls = [relay.url().to_owned()];
    let keys = Keys::generate();
    let mut buyer = Buyer::connect(keys.clone(), &urls).await.unwrap();
    let job = buyer.request(5001, &[text("summarise this")]).await.unwrap();
    let strangers = Strangers::on(&relay, keys.public_key()).await;
    strangers.say(6001, "honest", [AnswerTag::Job(job).to_tag()]).await;
    // Each is a notification of its own, of the 4096 that the library keeps.
    for number in 0..4500 {
        let about = AnswerTag::Job(JobId::from_bytes([7; 32])).to_tag();
        strangers.say(nip90::FEEDBACK_KIND, &number.to_string(), [about]).await;
    }
    let heard = timeout(PATIENCE, buyer.next()).await.expect("an answer").unwrap();
    assert!(
        matches!(&heard, ProviderMessage::Result(result) if result.content == "honest"),
        "{heard:?}"
    );
    buyer.disconnect().await;
}

/// Who can write to a relay, and to whom.
struct Strangers {
    client: nostr_sdk::Client,
    to: nostr_sdk::PublicKey,
    key: Keys,
}

impl Strangers {
    async fn on(relay: &InProcessRelay, to: nostr_sdk::PublicKey) -> Self {
        let client = nostr_sdk::Client::default();
        client.add_relay(relay.url()).await.unwrap();
        client.try_connect(PATIENCE).await;
        Self { client, to, key: Keys::generate() }
    }

    async fn say(&self, kind: u16, words: &str, tags: impl IntoIterator<Item = Tag>) {
        let event =
            EventBuilder::new(Kind::from_u16(kind), words).tags(tags).tag(Tag::public_key(self.to));
        self.client.send_event(&event.sign_with_keys(&self.key).unwrap()).await.unwrap();
    }
}

/// Goal: messages that no relay takes now do not hold up a result. Method: more refusals than can be on their way at once, over a relay that
/// takes no feedback, then a good request.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_passes_what_is_stuck() {
    let stage =
        Stage::set(Set { wallet: false, unwanted: Some(nip90::FEEDBACK_KIND), ..Set::default() })
            .await;
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
    let journal =
        SqliteJournal::open(&stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
    let row = |number: u32| {
        let event =
            nostr_sdk::EventBuilder::text_note(number.to_string()).sign_with_keys(&author).unwrap();
        let sealed = Sealed {
            id: MessageId::from_bytes(event.id.to_bytes()),
            bytes: nostr_sdk::JsonUtil::as_json(&event),
        };
        let job = JobId::from_bytes([9; 32]);
        Row::Send(OutboxRow {
            job,
            result: false,
            sealed,
            expires_at: UnixTime::new(u64::from(u32::MAX)),
        })
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

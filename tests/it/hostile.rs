//! Attacks on the real node: floods, cancellations in any order, invalid requests, rejecting
//! relays.

use nostr_sdk::{EventBuilder, Keys, Kind, Tag};
use pylon_core::machine::{Execution, Settlement};
use pylon_core::message::SignedMessage;
use pylon_core::ports::journal::Journal as _;
use pylon_core::refusal_limit::PER_CUSTOMER_MAX;
use pylon_core::rows::{OutboxRow, Row};
use pylon_core::{Digest, JobId, MessageId, UnixTime};
use pylon_journal::SqliteJournal;
use pylon_nostr::buyer::{Buyer, ProviderMessage};
use pylon_nostr::identity::{generate, keys};
use pylon_nostr::nip90::{self, AnswerTag, RequestTag};
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT, TestMarket, text};
use pylon_tests::stub::Script;
use std::time::Duration;
use tokio::time::timeout;

/// Goal: a journal that cannot be written for a while costs time and no job, and nothing is sent
/// before it is written. Method: another program holds the lock for longer than the node waits for
/// it.
#[tokio::test(flavor = "multi_thread")]
async fn locked_journal_delays_jobs_but_loses_none() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    let other = rusqlite::Connection::open(market.folder.path().join(".openagents/pylon/pylon.db"))
        .unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let job = customer.ask(vec![text("patience")]).await;
    let silence = tokio::time::timeout(Duration::from_secs(7), customer.buyer.next()).await;
    assert!(silence.is_err(), "said before it was written: {silence:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(customer.result(job).await.content, "patience");
    let next = customer.ask(vec![text("and again")]).await;
    assert_eq!(customer.result(next).await.content, "and again");
}

/// Goal: a job whose row can no longer be written keeps neither worker nor capacity. Method:
/// another program deletes the row of the running job; with one worker and capacity for one more
/// job, two more jobs get their results.
#[tokio::test(flavor = "multi_thread")]
async fn deleted_job_row_frees_its_worker() {
    let market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        wallet: false,
        max_queued_jobs: 1,
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let lost = customer.ask(vec![text("lost")]).await;
    market.wait_until(lost, |state| state.execution == Execution::Processing).await;
    let other = rusqlite::Connection::open(market.folder.path().join(".openagents/pylon/pylon.db"))
        .unwrap();
    other.execute("DELETE FROM jobs WHERE id = ?1", [lost.to_hex()]).unwrap();
    for words in ["one", "two"] {
        market.stub.release();
        market.stub.release();
        let job = customer.ask(vec![text(words)]).await;
        assert_eq!(customer.result(job).await.content, words);
    }
}

/// Goal: requests that are cancelled at once leave only numbers. Method: large requests, each
/// cancelled, next to a running job; then every file.
#[tokio::test(flavor = "multi_thread")]
async fn cancelled_requests_do_not_fill_the_disk() {
    const JOBS: u64 = 100;
    let market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        wallet: false,
        ..MarketOptions::default()
    })
    .await;
    let busy = market.customer().await.ask(vec![text("holds the worker")]).await;
    market.wait_until(busy, |state| state.execution == Execution::Processing).await;
    let customer = market.customer().await;
    for round in 0..JOBS {
        let job =
            customer.ask(vec![text(&format!("{round} {}", "never mind ".repeat(5600)))]).await;
        market.wait_until(job, |_| true).await;
        customer.buyer.cancel(job, 5050).await.unwrap();
        let state = market.wait_until(job, |state| state.execution == Execution::Cancelled).await;
        assert!(
            state.text_purged_at.is_some()
                && state.job.origin.is_empty()
                && state.job.input_bytes() > 60_000
        );
    }
    let file = market.folder.path().join(".openagents/pylon/pylon.db");
    rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let bytes = file.metadata().unwrap().len();
    assert!(bytes < 3 << 20, "{bytes}");
}

/// Goal: a cancellation counts whenever it arrives. Method: right after the request, and before it,
/// over relays that deliver them separately.
#[tokio::test(flavor = "multi_thread")]
async fn cancellation_counts_in_any_order() {
    let market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        relays: 2,
        ..MarketOptions::default()
    })
    .await;
    let customer = market.customer_on(&market.relays[..1]).await;
    let busy = customer.ask(vec![text("holds the worker")]).await;
    market.wait_until(busy, |state| state.execution == Execution::Processing).await;
    for round in 0..5 {
        let job = customer.ask(vec![text(&format!("never mind {round}"))]).await;
        customer.buyer.cancel(job, 5050).await.unwrap();
        market.wait_until(job, |state| state.execution == Execution::Cancelled).await;
    }

    let author = keys(&generate().unwrap()).unwrap();
    let (before, after) =
        (nostr_sdk::Client::new(author.clone()), nostr_sdk::Client::new(author.clone()));
    for (client, relay) in [(&before, &market.relays[0]), (&after, &market.relays[1])] {
        client.add_relay(relay.url()).await.unwrap();
        client.try_connect(TEST_TIMEOUT).await;
    }
    let request = |words: &str| {
        nip90::request(5050, &[text(words), RequestTag::Provider(market.provider())])
            .sign_with_keys(&author)
            .unwrap()
    };
    let id = |event: &nostr_sdk::Event| JobId::from_bytes(event.id.to_bytes());
    let (withdrawn, first, second) = (request("withdrawn"), request("first"), request("second"));
    before
        .send_event(&nip90::cancellation(id(&withdrawn), 5050).sign_with_keys(&author).unwrap())
        .await
        .unwrap();
    // A later event over the same relay shows that it was read.
    before.send_event(&first).await.unwrap();
    market.wait_until(id(&first), |_| true).await;
    after.send_event(&withdrawn).await.unwrap();
    after.send_event(&second).await.unwrap();
    market.wait_until(id(&second), |_| true).await;
    assert_eq!(market.job(id(&withdrawn)), None);
}

/// Goal: one customer cannot take all capacity. Method: one sends more requests than its share,
/// then another sends one.
#[tokio::test(flavor = "multi_thread")]
async fn one_customer_cannot_take_all_capacity() {
    let market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        max_queued_jobs: 15,
        ..MarketOptions::default()
    })
    .await;
    let (mut loud, mut other) = (market.customer().await, market.customer().await);
    for round in 0..4 {
        let job = loud.ask(vec![text(&format!("me {round}"))]).await;
        market.wait_until(job, |_| true).await;
    }
    let fifth = loud.ask(vec![text("and me")]).await;
    assert!(loud.feedback(fifth, "error").await.message.contains("busy"));
    let quiet = other.ask(vec![text("you")]).await;
    market.wait_until(quiet, |_| true).await;
    // Customers served recently have lower priority: only the running jobs of the other customer
    // and one more go first.
    market.stub.release();
    market.stub.release();
    market.stub.release();
    assert_eq!(other.result(quiet).await.content, "you");
}

/// Goal: new keys cannot take all capacity, however many there are. Method: one customer pays for a
/// job; then strangers send more than their half, and the paying customer sends a request.
#[tokio::test(flavor = "multi_thread")]
async fn new_customers_cannot_take_all_capacity() {
    let market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        max_queued_jobs: 15,
        ..MarketOptions::default()
    })
    .await;
    let mut known = market.customer().await;
    let bought = known.ask(vec![text("I pay")]).await;
    market.stub.release();
    market.bank.pay(&known.result(bought).await.due.unwrap().1.unwrap()).unwrap();
    market.wait_until(bought, |state| state.settlement == Settlement::Paid).await;
    for _ in 0..2 {
        let stranger = market.customer().await;
        for round in 0..4 {
            let job = stranger.ask(vec![text(&format!("me {round}"))]).await;
            market.wait_until(job, |_| true).await;
        }
    }
    let mut stranger = market.customer().await;
    let refused = stranger.ask(vec![text("and me")]).await;
    assert!(stranger.feedback(refused, "error").await.message.contains("busy"));
    let job = known.ask(vec![text("me again")]).await;
    market.wait_until(job, |_| true).await;
}

/// Goal: bad requests of one customer are answered up to a limit, at no cost to others. Method:
/// more bad requests than are answered, then a good one of another customer. (From the same
/// customer it would be over the limit, so neither admitted nor answered.)
#[tokio::test(flavor = "multi_thread")]
async fn refusals_to_unknown_customers_are_rate_limited() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let (mut loud, mut other) = (market.customer().await, market.customer().await);
    for _ in 0..PER_CUSTOMER_MAX * 2 {
        loud.ask(vec![text(" "), RequestTag::Output(generate().unwrap())]).await;
    }
    let good = other.ask(vec![text("good")]).await;
    assert_eq!(other.result(good).await.content, "good");
    for _ in 0..PER_CUSTOMER_MAX {
        let message = timeout(TEST_TIMEOUT, loud.buyer.next()).await.expect("feedback").unwrap();
        assert!(
            matches!(&message, ProviderMessage::Feedback(feedback) if feedback.status.as_str() == "error"),
            "{message:?}"
        );
    }
    let refused =
        rusqlite::Connection::open(market.folder.path().join(".openagents/pylon/pylon.db"))
            .unwrap();
    let count: u32 =
        refused.query_row("SELECT COUNT(*) FROM refusals", [], |row| row.get(0)).unwrap();
    // The minute of the rate limit may have changed meanwhile.
    assert!((PER_CUSTOMER_MAX..=PER_CUSTOMER_MAX * 2).contains(&count) && count > 0, "{count}");
}

/// Goal: refusals that cannot be written now are bounded, none is lost, and they do not delay other
/// jobs. Method: more of them than are written at once while another program holds the journal,
/// then a good request of another customer.
#[tokio::test(flavor = "multi_thread")]
async fn pending_refusals_are_bounded_and_written_later() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let other = rusqlite::Connection::open(market.folder.path().join(".openagents/pylon/pylon.db"))
        .unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut asked = Vec::new();
    for _ in 0..4 {
        let customer = market.customer().await;
        for _ in 0..PER_CUSTOMER_MAX {
            customer.ask(vec![text(" "), RequestTag::Output(generate().unwrap())]).await;
        }
        asked.push(customer);
    }
    let mut sensible = market.customer().await;
    let good = sensible.ask(vec![text("good")]).await;
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(sensible.result(good).await.content, "good");
    for mut customer in asked {
        for _ in 0..PER_CUSTOMER_MAX {
            let message =
                timeout(TEST_TIMEOUT, customer.buyer.next()).await.expect("feedback").unwrap();
            assert!(
                matches!(&message, ProviderMessage::Feedback(feedback) if feedback.status.as_str() == "error"),
                "{message:?}"
            );
        }
    }
}

/// Goal: whatever a request contains, the node answers or ignores it, and serves the next. Method:
/// one fault at a time, each from another key, then a good request.
#[tokio::test(flavor = "multi_thread")]
async fn invalid_requests_do_not_stop_the_node() {
    let mut market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let node = nostr_sdk::PublicKey::from_byte_array(*market.provider().as_bytes());
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
        let strangers = Strangers::on(&market.relays[0], node).await;
        let event = EventBuilder::new(Kind::from_u16(5050), words)
            .tags(tags)
            .tag(Tag::public_key(node))
            .custom_created_at(at);
        // The relay may reject it, too.
        let _ = strangers.client.send_event(&event.sign_with_keys(&strangers.key).unwrap()).await;
        strangers.client.disconnect().await;
    }
    let mut customer = market.customer().await;
    let good = customer.ask(vec![text("good")]).await;
    assert_eq!(customer.result(good).await.content, "good");
    market.stop_node(TEST_TIMEOUT).await;
}

/// Goal: results that name parts which do not exist do not keep the buyer from the real one.
/// Method: many such results for a request to any provider, then a real one.
#[tokio::test(flavor = "multi_thread")]
async fn missing_result_parts_of_strangers_do_not_delay_the_result() {
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
    let message = loop {
        match timeout(TEST_TIMEOUT, buyer.next()).await.expect("an answer").unwrap() {
            ProviderMessage::Unreadable { why, .. } if why.contains("too many") => put_off += 1,
            other => break other,
        }
    };
    assert!(
        matches!(&message, ProviderMessage::Result(result) if result.content == "honest"),
        "{message:?}"
    );
    assert_eq!(put_off, 12 - 8, "the limit of concurrent searches");
    buyer.disconnect().await;
}

/// Goal: a flood of feedback hides no result from the buyer. Method: a result, and after it more
/// messages than the buyer buffers, before it reads any.
#[tokio::test(flavor = "multi_thread")]
async fn flood_of_feedback_hides_no_result() {
    let relay = InProcessRelay::start().await.unwrap();
    let urls = [relay.url().to_owned()];
    let keys = Keys::generate();
    let mut buyer = Buyer::connect(keys.clone(), &urls).await.unwrap();
    let job = buyer.request(5001, &[text("summarise this")]).await.unwrap();
    let strangers = Strangers::on(&relay, keys.public_key()).await;
    strangers.say(6001, "honest", [AnswerTag::Job(job).to_tag()]).await;
    // Each is one notification of the 4096 that the library buffers.
    for number in 0..4500 {
        let about = AnswerTag::Job(job).to_tag();
        strangers.say(nip90::FEEDBACK_KIND, &number.to_string(), [about]).await;
    }
    let message = timeout(TEST_TIMEOUT, buyer.next()).await.expect("an answer").unwrap();
    assert!(
        matches!(&message, ProviderMessage::Result(result) if result.content == "honest"),
        "{message:?}"
    );
    buyer.disconnect().await;
}

/// Sends events under new keys.
struct Strangers {
    client: nostr_sdk::Client,
    to: nostr_sdk::PublicKey,
    key: Keys,
}

impl Strangers {
    async fn on(relay: &InProcessRelay, to: nostr_sdk::PublicKey) -> Self {
        let client = nostr_sdk::Client::default();
        client.add_relay(relay.url()).await.unwrap();
        client.try_connect(TEST_TIMEOUT).await;
        Self { client, to, key: Keys::generate() }
    }

    async fn say(&self, kind: u16, words: &str, tags: impl IntoIterator<Item = Tag>) {
        let event =
            EventBuilder::new(Kind::from_u16(kind), words).tags(tags).tag(Tag::public_key(self.to));
        self.client.send_event(&event.sign_with_keys(&self.key).unwrap()).await.unwrap();
    }
}

/// Goal: messages that no relay accepts do not delay a result. Method: more refusals than may be in
/// flight, over a relay that rejects feedback, then a good request.
#[tokio::test(flavor = "multi_thread")]
async fn undeliverable_feedback_does_not_delay_results() {
    let market = TestMarket::start(MarketOptions {
        wallet: false,
        rejected_kind: Some(nip90::FEEDBACK_KIND),
        ..MarketOptions::default()
    })
    .await;
    for _ in 0..5 {
        let customer = market.customer().await;
        for _ in 0..PER_CUSTOMER_MAX {
            customer.ask(vec![text(" "), RequestTag::Output(generate().unwrap())]).await;
        }
    }
    let mut customer = market.customer().await;
    let good = customer.ask(vec![text("good")]).await;
    assert_eq!(customer.result(good).await.content, "good");
}

/// Goal: every message pending in the journal is sent, however many there are. Method: more
/// messages than the queue holds, then a start.
#[tokio::test(flavor = "multi_thread")]
async fn all_pending_messages_are_sent_after_a_start() {
    const MESSAGES: u32 = 2500;
    let mut market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    market.stop_node(TEST_TIMEOUT).await;
    let author = keys(&generate().unwrap()).unwrap();
    let journal =
        SqliteJournal::open(&market.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
    let row = |number: u32| {
        let event =
            nostr_sdk::EventBuilder::text_note(number.to_string()).sign_with_keys(&author).unwrap();
        let sealed = SignedMessage {
            id: MessageId::from_bytes(event.id.to_bytes()),
            bytes: nostr_sdk::JsonUtil::as_json(&event),
        };
        let job = JobId::from_bytes(event.id.to_bytes());
        Row::Send(OutboxRow {
            job,
            result: false,
            message: sealed,
            expires_at: UnixTime::new(u64::from(u32::MAX)),
        })
    };
    journal.commit((0..MESSAGES).map(row).collect()).await.unwrap();
    market.start_node().await;
    let gone = tokio::time::timeout(TEST_TIMEOUT, async {
        while !journal.unsent(false, 1).unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    });
    gone.await.expect("all of them");
}

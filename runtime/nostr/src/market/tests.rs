//! The market with real relays: an honest one in this process, and scripted ones that misbehave.

use super::*;
use crate::buyer::Buyer;
use crate::nip90::{self, RequestTag};
use crate::now;
use crate::relay::InProcessRelay;
use futures::{SinkExt, StreamExt};
use nostr_relay_builder::RelayBuilder;
use nostr_relay_builder::builder::{PolicyResult, RelayBuilderNip42, WritePolicy};
use nostr_sdk::prelude::{BoxedFuture, EventBuilder, Filter, Kind, Tag, Timestamp};
use pylon_core::message::{JobStatus, ReplyTo};
use pylon_core::ports::clock::Clock;
use pylon_core::work::Output;
use pylon_core::{Input, InputSource, Job, Msat};
use session::UNANSWERED_MAX;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{WebSocketStream, accept_async};

mod clock;
mod dropped_by_library;
mod prices;
mod queries;
mod sending;

const DEADLINE: Duration = Duration::from_secs(60);

async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.expect("in time")
}

fn quick() -> Options {
    let millis = Duration::from_millis;
    Options {
        backoff: millis(20),
        retry: millis(50),
        send_timeout: Duration::from_secs(5),
        ..Options::default()
    }
}

async fn market(
    urls: &[&str],
    options: Options,
) -> (NostrMarket, broadcast::Receiver<RelayChange>) {
    let urls = urls.iter().map(ToString::to_string).collect();
    NostrMarket::connect(entry(urls), options).await.unwrap()
}

fn entry(urls: Vec<String>) -> Entry {
    let clock = Arc::new(TestClock::default());
    Entry { keys: Keys::generate(), urls, kinds: vec![5050], clock }
}

/// The system's clock, ahead by this many seconds.
#[derive(Default)]
pub(super) struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        let ahead = self.0.load(Ordering::Relaxed);
        UnixTime::new(now().get().saturating_add_signed(ahead))
    }
}

fn asking(text: &str) -> EventBuilder {
    let input = Input { source: InputSource::Text(text.into()), hint: None, marker: None };
    nip90::request(5050, &[RequestTag::Input { input, relay: None }])
}

fn asked_of(text: &str, provider: PublicKey) -> EventBuilder {
    asking(text).tag(RequestTag::Provider(provider).to_tag())
}

fn stranger(market: &NostrMarket) -> ReplyTo<'static> {
    let customer = market.public_key();
    ReplyTo {
        job: pylon_core::JobId::from_bytes([1; 32]),
        kind: 5050,
        customer,
        confidential: None,
    }
}

async fn next_job(market: &NostrMarket) -> Job {
    match within(market.next()).await {
        Some(Incoming::Job(job)) => *job,
        other => panic!("not a job: {other:?}"),
    }
}

/// A customer with its own key, connected to this relay.
async fn customer(url: &str) -> (Client, Keys) {
    let keys = Keys::generate();
    let client = Client::builder().signer(keys.clone()).build();
    client.add_relay(url).await.unwrap();
    client.connect().await;
    client.wait_for_connection(DEADLINE).await;
    (client, keys)
}

/// An invalid address is refused with a clear error before anything is connected.
#[tokio::test]
async fn a_market_needs_relays() {
    let open = |urls: &[&str]| {
        let urls = urls.iter().map(ToString::to_string).collect();
        NostrMarket::connect(entry(urls), quick())
    };
    assert!(matches!(open(&[]).await, Err(ConnectError::NoRelay)));
    assert!(
        matches!(open(&["https://x"]).await, Err(ConnectError::Address(text)) if text == "https://x")
    );
}

/// A relay that sends only what the test scripts.
struct Scripted {
    listener: TcpListener,
    url: String,
}

struct Session {
    socket: WebSocketStream<TcpStream>,
    subscription: String,
    since: u64,
}

impl Scripted {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        Self { listener, url }
    }

    async fn accept(&self) -> Session {
        self.accept_serving(&[5050]).await
    }

    async fn accept_serving(&self, kinds: &[u16]) -> Session {
        // A request for the relay's information (NIP-11) opens no socket and gets no answer.
        let socket = loop {
            let (stream, _) = within(self.listener.accept()).await.unwrap();
            if let Ok(socket) = accept_async(stream).await {
                break socket;
            }
        };
        let mut session = Session { socket, subscription: String::new(), since: 0 };
        session.hear_request_for(kinds).await;
        session
    }
}

impl Session {
    async fn hear(&mut self) -> serde_json::Value {
        loop {
            if let Frame::Text(text) = within(self.socket.next()).await.unwrap().unwrap() {
                let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
                // The other subscriptions are handled separately.
                if frame[1] != "pylon-named" && frame[1] != price_feed::SUBSCRIPTION {
                    return frame;
                }
            }
        }
    }

    async fn hear_request(&mut self) {
        self.hear_request_for(&[5050]).await;
    }

    async fn hear_request_for(&mut self, kinds: &[u16]) {
        let request = self.hear().await;
        assert_eq!(request[0], "REQ", "{request}");
        assert_eq!(request[2]["kinds"], serde_json::json!([&[5], kinds].concat()));
        self.subscription = request[1].as_str().unwrap().to_owned();
        self.since = request[2]["since"].as_u64().unwrap();
    }

    async fn say(&mut self, message: serde_json::Value) {
        self.socket.send(Frame::text(message.to_string())).await.unwrap();
    }

    async fn feed(&mut self, event: &str) {
        let frame = format!(r#"["EVENT","{}",{event}]"#, self.subscription);
        self.socket.feed(Frame::text(frame)).await.unwrap();
    }

    async fn answer_event(&mut self, accepted: bool, message: &str) {
        let event = self.hear().await;
        assert_eq!(event[0], "EVENT", "{event}");
        self.say(serde_json::json!(["OK", event[1]["id"], accepted, message])).await;
    }

    async fn end_of_stored(&mut self) {
        self.say(serde_json::json!(["EOSE", self.subscription])).await;
    }
}

fn with(event: &Event, field: &str, value: &str) -> String {
    let mut json: serde_json::Value = serde_json::from_str(&event.as_json()).unwrap();
    json[field] = value.into();
    json.to_string()
}

/// Goal: forged events are ignored, before and after the real event. Method: copies with another
/// signature, content or author around the signed one, then one that ends the test.
#[tokio::test(flavor = "multi_thread")]
async fn forged_events_are_ignored() {
    let relay = Scripted::start().await;
    let (market, _) = market(&[&relay.url], quick()).await;
    let mut session = relay.accept().await;
    let (keys, victim) = (Keys::generate(), Keys::generate().public_key().to_hex());
    let good = asking("real").sign_with_keys(&keys).unwrap();
    let last = asking("last").sign_with_keys(&keys).unwrap();
    let lies = [
        with(&good, "sig", &"0".repeat(128)),
        with(&good, "content", "lie"),
        with(&good, "pubkey", &victim),
    ];
    for event in lies.iter().chain([&good.as_json()]).chain(&lies).chain([&last.as_json()]) {
        session.feed(event).await;
    }
    session.end_of_stored().await;
    for expected in [&good, &last] {
        let job = next_job(&market).await;
        assert_eq!((job.id.to_hex(), job.origin), (expected.id.to_hex(), expected.as_json()));
    }
    assert_eq!(market.counts().queued, 2);
}

/// Goal: the library's cache of verified ids cannot be abused. Method: the id of a verified event
/// that we ignored (it names another provider) is reused for a request of another author.
#[tokio::test(flavor = "multi_thread")]
async fn a_verified_id_proves_nothing_about_another_event() {
    let relay = Scripted::start().await;
    let (market, _) = market(&[&relay.url], quick()).await;
    let mut session = relay.accept().await;
    let keys = Keys::generate();
    let elsewhere = asking("x")
        .tag(Tag::public_key(Keys::generate().public_key()))
        .sign_with_keys(&keys)
        .unwrap();
    let disguise = asking("free work, please").sign_with_keys(&Keys::generate()).unwrap();
    session.feed(&elsewhere.as_json()).await;
    session.feed(&with(&disguise, "id", &elsewhere.id.to_hex())).await;
    let last = asking("last").sign_with_keys(&keys).unwrap();
    session.feed(&last.as_json()).await;
    session.end_of_stored().await;
    assert_eq!(next_job(&market).await.id.to_hex(), last.id.to_hex());
    let counts = market.counts();
    assert_eq!((counts.other_provider, counts.forged, counts.queued), (1, 1, 1));
}

/// Goal: a burst is slowed down, not lost. Method: 5000 signed requests as fast as the socket
/// accepts them, a queue of 64, and a slow consumer.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_on_a_slow_consumer_loses_nothing() {
    const BURST: usize = 5000;
    let relay = Scripted::start().await;
    let options = Options { queue_events: 64, queue_timeout: DEADLINE, ..quick() };
    let (market, _) = market(&[&relay.url], options).await;
    let mut session = relay.accept().await;
    let keys = Keys::generate();
    let burst: Vec<Event> =
        (0..BURST).map(|n| asking(&n.to_string()).sign_with_keys(&keys).unwrap()).collect();
    let mut missing: HashSet<String> = burst.iter().map(|event| event.id.to_hex()).collect();
    let sending = tokio::spawn(async move {
        for event in &burst {
            session.feed(&event.as_json()).await;
        }
        session.end_of_stored().await;
        session
    });
    while !missing.is_empty() {
        assert!(missing.remove(&next_job(&market).await.id.to_hex()), "twice");
        tokio::task::yield_now().await;
    }
    let counts = market.counts();
    assert_eq!((counts.queued, counts.dropped, counts.duplicate), (BURST as u64, 0, 0));
    drop(sending.await.unwrap());
}

/// Goal: a full queue costs a bounded wait, and every loss is counted. Method: a queue of two
/// without a consumer.
#[tokio::test(flavor = "multi_thread")]
async fn a_loss_is_counted_and_may_come_again() {
    let relay = Scripted::start().await;
    let options = Options { queue_events: 2, queue_timeout: Duration::from_millis(1), ..quick() };
    let (market, _) = market(&[&relay.url], options).await;
    let mut session = relay.accept().await;
    let keys = Keys::generate();
    let events: Vec<Event> =
        (0..3).map(|n| asking(&n.to_string()).sign_with_keys(&keys).unwrap()).collect();
    for event in &events {
        session.feed(&event.as_json()).await;
    }
    session.end_of_stored().await;
    assert!(market.ready(DEADLINE).await);
    let counts = market.counts();
    assert_eq!((counts.queued, counts.dropped), (2, 1));
    for event in &events[..2] {
        assert_eq!(next_job(&market).await.id.to_hex(), event.id.to_hex());
    }
    session.feed(&events[2].as_json()).await;
    session.end_of_stored().await;
    assert_eq!(next_job(&market).await.id.to_hex(), events[2].id.to_hex());
}

/// Goal: node, buyer and doctor connect to a relay at an IPv6 address. Method: a relay on `::1`, a
/// request and its feedback through it, and a probe.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_at_an_ipv6_address_works() {
    if TcpListener::bind("[::1]:0").await.is_err() {
        println!("SKIPPED: this machine has no IPv6 loopback");
        return;
    }
    let loopback = std::net::Ipv6Addr::LOCALHOST.into();
    let relay = InProcessRelay::start_at(loopback, RelayBuilder::default()).await.unwrap();
    let url = relay.url();
    assert!(url.starts_with("ws://[::1]:"), "{url}");
    let probed = crate::probe::relay(url, DEADLINE).await;
    assert!(probed.latency.is_ok(), "{probed:?}");
    let (market, _) = market(&[url], quick()).await;
    assert!(market.ready(DEADLINE).await);
    let keys = Keys::generate();
    let mut buyer = Buyer::connect(keys, &[url.to_owned()]).await.unwrap();
    let input = Input { source: InputSource::Text("hi".into()), hint: None, marker: None };
    let sent = buyer.request(5050, &[RequestTag::Input { input, relay: None }]).await.unwrap();
    let job = next_job(&market).await;
    assert_eq!(job.id, sent);
    let to = ReplyTo::of(&job);
    let sealed =
        market.sign(&Message::Feedback { to, status: JobStatus::Processing }, now()).unwrap();
    assert_eq!(within(market.send(&sealed)).await, SendOutcome::Delivered);
    assert_eq!(within(buyer.next()).await.unwrap().job(), sent);
}

/// Goal: a relay cannot stop our subscription. Method: it closes the subscription with reasons that
/// make the library give up, then drops the connection. Each time the node subscribes again, but
/// not to everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_subscription_is_renewed() {
    let relay = Scripted::start().await;
    let (market, mut changes) = market(&[&relay.url], quick()).await;
    let mut session = relay.accept().await;
    let first_since = session.since;
    for reason in ["error: shutting down", "blocked: go away", "", "rate-limited: slow down"] {
        session.say(serde_json::json!(["CLOSED", session.subscription, reason])).await;
        session.hear_request().await;
    }
    session.end_of_stored().await;
    assert!(market.ready(DEADLINE).await);
    drop(session);
    assert!(within(changes.recv()).await.unwrap().connected);
    let lost = within(changes.recv()).await.unwrap();
    assert_eq!((lost.connected, lost.reason.as_deref()), (false, Some("connection lost")));

    let mut session = relay.accept().await;
    assert!(within(changes.recv()).await.unwrap().connected);
    assert!(session.since >= first_since + 2900, "{} after {first_since}", session.since);
    let event = asking("still here").sign_with_keys(&Keys::generate()).unwrap();
    session.feed(&event.as_json()).await;
    session.end_of_stored().await;
    assert_eq!(next_job(&market).await.id.to_hex(), event.id.to_hex());

    market.set_kinds(vec![5050, 5100]);
    let request = session.hear().await;
    assert_eq!(request[2]["kinds"], serde_json::json!([5, 5050, 5100]));
}

/// Goal: a relay that stops sending is asked again, then connected again, and nothing is missed.
/// Method: one that is live and then silent; and one that answers only other queries.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_relay_is_connected_again() {
    let millis = Duration::from_millis;
    let options = Options { answer_timeout: millis(300), probe_interval: millis(100), ..quick() };
    let relay = Scripted::start().await;
    let (market, mut changes) = market(&[&relay.url], options).await;
    let mut session = relay.accept().await;
    session.end_of_stored().await;
    assert!(market.ready(DEADLINE).await);
    assert!(within(changes.recv()).await.unwrap().connected);
    for _ in 0..UNANSWERED_MAX {
        session.hear_request().await;
    }
    let gone = async { while let Some(Ok(_)) = session.socket.next().await {} };
    within(gone).await;
    assert!(!within(changes.recv()).await.unwrap().connected);

    let mut session = relay.accept().await;
    assert!(session.since <= now().get() - 600, "events during the silence are requested");
    // A slow relay is not left as long as it sends something.
    for _ in 0..2 * UNANSWERED_MAX {
        session.say(serde_json::json!(["NOTICE", "busy"])).await;
        session.hear_request().await;
    }
    let event = asking("still here").sign_with_keys(&Keys::generate()).unwrap();
    session.feed(&event.as_json()).await;
    session.end_of_stored().await;
    assert_eq!(next_job(&market).await.id.to_hex(), event.id.to_hex());
}

/// Goal: unwanted events are ignored, and invalid frames do not end the connection. Method: events
/// of other kinds, junk, a frame over the size limit and one with too many tags, before a valid
/// one.
#[tokio::test(flavor = "multi_thread")]
async fn junk_is_ignored() {
    let relay = Scripted::start().await;
    let (market, _) = market(&[&relay.url], quick()).await;
    let mut session = relay.accept().await;
    let keys = Keys::generate();
    let note = EventBuilder::text_note("hi").sign_with_keys(&keys).unwrap();
    let unserved = nip90::request(5100, &[]).sign_with_keys(&keys).unwrap();
    let huge = asking(&"x".repeat(300_000)).sign_with_keys(&keys).unwrap();
    let tags = std::iter::repeat_with(|| Tag::hashtag("x")).take(2000);
    let tags =
        EventBuilder::new(Kind::from_u16(5050), "").tags(tags).sign_with_keys(&keys).unwrap();
    for event in [note, unserved, huge, tags] {
        session.feed(&event.as_json()).await;
    }
    for junk in
        ["", "[", "{}", r#"["EVENT"]"#, r#"["EOSE"]"#, r#"["OK","x"]"#, r#"["AUTH"]"#, "\u{0}"]
    {
        session.socket.feed(Frame::text(junk)).await.unwrap();
    }
    let good = asking("good").sign_with_keys(&keys).unwrap();
    session.feed(&good.as_json()).await;
    session.end_of_stored().await;
    assert_eq!(next_job(&market).await.id.to_hex(), good.id.to_hex());
    assert_eq!(market.counts(), Counts { queued: 1, other_kind: 2, ..Counts::default() });
}

/// Goal: a relay that requires authentication works like any other. Method: one that requires
/// NIP-42 for reading and writing; a request is received and feedback is published through it.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_requires_authentication_works() {
    let relay =
        InProcessRelay::start_with(RelayBuilder::default().nip42(RelayBuilderNip42::default()))
            .await
            .unwrap();
    let (market, _) = market(&[relay.url()], quick()).await;
    assert!(market.ready(DEADLINE).await);
    let (client, keys) = customer(relay.url()).await;
    let asked = asking("hi").sign_with_keys(&keys).unwrap();
    assert!(client.send_event(&asked).await.unwrap().failed.is_empty());
    let job = next_job(&market).await;
    let to = ReplyTo::of(&job);
    let sealed =
        market.sign(&Message::Feedback { to, status: JobStatus::Processing }, now()).unwrap();
    assert_eq!(within(market.send(&sealed)).await, SendOutcome::Delivered);
}

//! The clock of this machine, when it is wrong.

use super::*;
use nostr_sdk::RelayUrl;

/// Goal: a clock that is set costs no request. Method: a clock that is two hours ahead or behind,
/// and is set right while the subscription is live; then a request of half an hour ago, which the
/// relay sends for the new subscription.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_costs_no_request() {
    for wrong in [7200, -7200] {
        let relay = Scripted::start().await;
        let clock = Arc::new(TestClock(AtomicI64::new(wrong)));
        // By the wrong clock, the node has just been started for the first time.
        let options = Options {
            since: clock.now().minus(300),
            clock_interval: Duration::from_millis(20),
            ..quick()
        };
        let entry = Entry { clock: clock.clone(), ..entry(vec![relay.url.clone()]) };
        let (market, _) = NostrMarket::connect(entry, options).await.unwrap();
        let mut session = relay.accept().await;
        session.end_of_stored().await;
        assert!(market.ready(DEADLINE).await);
        let keys = Keys::generate();
        let asked = asking("meanwhile").custom_created_at(Timestamp::now() - 280u64);
        let asked = asked.sign_with_keys(&keys).unwrap();
        session.feed(&asked.as_json()).await;
        // Timely by the wrong clock: its arrival proves that the one before was read.
        let timely = asking("now").custom_created_at(Timestamp::from_secs(clock.now().get()));
        let timely = timely.sign_with_keys(&keys).unwrap();
        session.feed(&timely.as_json()).await;
        session.end_of_stored().await;
        assert_eq!(next_job(&market).await.id.to_hex(), timely.id.to_hex(), "{wrong}");
        clock.0.store(0, Ordering::Relaxed);
        session.hear_request().await;
        assert!(session.since <= asked.created_at.as_secs(), "{wrong}: {}", session.since);
        session.feed(&asked.as_json()).await;
        session.end_of_stored().await;
        assert_eq!(next_job(&market).await.id.to_hex(), asked.id.to_hex(), "{wrong}");
        assert_eq!(market.counts().untimely, 1, "{wrong}");
    }
}

/// Goal: the time of the relays is known, and a clock that is set right is right at once. Method: a
/// relay information document with a date, for a clock that is ten minutes ahead.
#[tokio::test(flavor = "multi_thread")]
async fn the_offset_of_the_clock_is_known() {
    let app = axum::Router::new().route("/", axum::routing::get(|| async { "{}" }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = RelayUrl::parse(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let clock = Arc::new(ClockEvidence::new(Arc::new(TestClock(AtomicI64::new(600)))));
    let limits = Arc::new(RelayLimits::new(Arc::clone(&clock)).unwrap());
    assert_eq!(clock.ahead_seconds(), None);
    limits.refresh(url).await;
    let ahead = clock.ahead_seconds().unwrap();
    assert!((599..=602).contains(&ahead), "{ahead}");
    clock.clock_was_set(-600);
    assert_eq!(clock.ahead_seconds(), Some(ahead - 600));
    server.abort();
}

/// Goal: without a relay that reports its time, the dates of new requests count, but not those of
/// stored ones or of a single author. Method: stored requests, then new ones of one author after
/// the other, for a clock that is behind.
#[tokio::test(flavor = "multi_thread")]
async fn new_requests_show_the_offset_of_the_clock() {
    let relay = Scripted::start().await;
    let clock = Arc::new(TestClock(AtomicI64::new(-200)));
    let entry = Entry { clock, ..entry(vec![relay.url.clone()]) };
    let (market, _) = NostrMarket::connect(entry, quick()).await.unwrap();
    let mut session = relay.accept().await;
    let signed = |keys: &Keys, text: &str| asking(text).sign_with_keys(keys).unwrap().as_json();
    for number in 0..5 {
        session.feed(&signed(&Keys::generate(), &number.to_string())).await;
    }
    session.end_of_stored().await;
    for _ in 0..5 {
        next_job(&market).await;
    }
    assert!(market.ready(DEADLINE).await);
    assert_eq!(market.clock_ahead_seconds(), None, "stored requests");
    let authors = [(); 3].map(|()| Keys::generate());
    for (number, author, is_known) in [(0, 0, false), (1, 0, false), (2, 1, false), (3, 2, true)] {
        session.feed(&signed(&authors[author], &format!("new {number}"))).await;
        session.say(serde_json::json!(["NOTICE", "sent"])).await;
        next_job(&market).await;
        let ahead = market.clock_ahead_seconds();
        assert_eq!(
            ahead.is_some_and(|ahead| (-201..=-190).contains(&ahead)),
            is_known,
            "{ahead:?}"
        );
    }
}

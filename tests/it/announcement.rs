//! The announcement of a node on real relays, and which relays it sends to.

use nostr_sdk::prelude::{
    Client, Event, EventBuilder, Filter, Keys, Kind, RelayPoolNotification, Tag,
};
use pylon_core::JobId;
use pylon_core::event::DomainEvent;
use pylon_core::machine::{Delivery, Execution};
use pylon_node::config::Config;
use pylon_nostr::announcement::{AnnouncementKind, HEARTBEAT_KIND, parse};
use pylon_nostr::market::read_announcement;
use pylon_nostr::relay::InProcessRelay;
use pylon_provider::NodeEvent;
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT, TestMarket, text};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::timeout;

/// The settings of the node with a changed `market` section.
fn with_market(market: &TestMarket, change: impl FnOnce(&mut pylon_nostr::Config)) -> Config {
    let mut config = market.config.clone();
    change(&mut config.market);
    config
}

/// Subscribes to the announcement and the profile of a provider.
struct Reader {
    _client: Client,
    events: broadcast::Receiver<RelayPoolNotification>,
}

impl Reader {
    async fn of(market: &TestMarket, relay: usize) -> Self {
        let client = Client::default();
        client.add_relay(market.relays[relay].url()).await.unwrap();
        client.try_connect(TEST_TIMEOUT).await;
        let events = client.notifications();
        let us = nostr_sdk::PublicKey::from_byte_array(*market.provider().as_bytes());
        let kinds = AnnouncementKind::ALL
            .map(|subject| Kind::from_u16(subject.kind()))
            .into_iter()
            .chain([Kind::EventDeletion, Kind::from_u16(HEARTBEAT_KIND)]);
        client.subscribe(Filter::new().author(us).kinds(kinds), None).await.unwrap();
        Self { _client: client, events }
    }

    async fn until(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let found = timeout(TEST_TIMEOUT, async {
            loop {
                if let RelayPoolNotification::Event { event, .. } =
                    self.events.recv().await.unwrap()
                    && wanted(&event)
                {
                    return *event;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("never published: {what}"))
    }

    async fn announcement(&mut self) -> Event {
        self.until("an announcement", |event| parse(event).is_some()).await
    }
}

/// Goal: a customer finds the node on every relay, with the same event, until a clean stop; the
/// next start announces it again and does not change the profile. Method: two relays, read with a
/// client of our own and with the check of `doctor`.
#[tokio::test(flavor = "multi_thread")]
async fn announcement_is_published_and_withdrawn() {
    let mut market =
        TestMarket::start(MarketOptions { relays: 2, ..MarketOptions::default() }).await;
    let urls: Vec<String> = market.relays.iter().map(|relay| relay.url().to_owned()).collect();
    let mut ids = Vec::new();
    for relay in 0..2 {
        let mut reader = Reader::of(&market, relay).await;
        let event = reader.announcement().await;
        let said = parse(&event).unwrap();
        assert_eq!((said.kinds, said.models), (vec![5050], vec!["stub-model".to_owned()]));
        assert_eq!(
            (said.name.as_str(), event.tags.identifier()),
            ("Pylon Provider", Some("pylon"))
        );
        ids.push(event.id);
    }
    assert_eq!(ids[0], ids[1]);
    let mut reader = Reader::of(&market, 0).await;
    let profile = reader.until("a profile", |event| AnnouncementKind::Profile.is_of(event)).await;
    assert!(profile.content.contains("Pylon Provider"), "{}", profile.content);
    let list = Reader::of(&market, 0)
        .await
        .until("relays", |event| AnnouncementKind::Relays.is_of(event))
        .await;
    assert_eq!(list.tags.len(), 2);

    let asked = Keys::generate();
    for (url, found) in read_announcement(&asked, market.provider(), &urls, TEST_TIMEOUT).await {
        assert_eq!(found.unwrap().unwrap().kinds, [5050], "readable on {url}");
    }
    let nowhere = read_announcement(
        &asked,
        market.provider(),
        &["ws://127.0.0.1:9".into()],
        Duration::from_secs(5),
    )
    .await;
    assert_eq!(nowhere[0].1, Err("not connected".to_owned()));

    market.stop_node(TEST_TIMEOUT).await;
    reader.until("a deletion", |event| event.kind == Kind::EventDeletion).await;
    for (url, found) in read_announcement(&asked, market.provider(), &urls, TEST_TIMEOUT).await {
        assert_eq!(found, Ok(None), "withdrawn from {url}");
    }
    market.start_node().await;
    reader.announcement().await;
    let kept = Reader::of(&market, 0)
        .await
        .until("a profile", |event| AnnouncementKind::Profile.is_of(event))
        .await;
    assert_eq!(kept.id, profile.id, "said already");
}

/// Goal: clients see that the node takes jobs, until it stops. Method: a client that subscribes to
/// heartbeats of this provider, with a short interval; then a stop.
#[tokio::test(flavor = "multi_thread")]
async fn heartbeat_is_published_until_the_node_stops() {
    let nostr = pylon_nostr::market::Options {
        heartbeat_interval: Duration::from_secs(1),
        ..pylon_nostr::market::Options::default()
    };
    let mut market = TestMarket::start(MarketOptions { nostr, ..MarketOptions::default() }).await;
    let mut reader = Reader::of(&market, 0).await;
    let announced = reader.announcement().await;
    let is_heartbeat = |event: &Event| event.kind.as_u16() == HEARTBEAT_KIND;
    let mut last = reader.until("a heartbeat", is_heartbeat).await;
    for _ in 0..2 {
        let beat = reader.until("another heartbeat", is_heartbeat).await;
        assert_eq!(beat.tags.identifier(), announced.tags.identifier());
        let expires_at = beat.tags.expiration().unwrap().as_secs();
        assert_eq!(expires_at, beat.created_at.as_secs() + 300);
        assert!(beat.created_at >= last.created_at && beat.id != last.id);
        last = beat;
    }
    market.stop_node(TEST_TIMEOUT).await;
    let deletion = reader.until("a deletion", |event| event.kind == Kind::EventDeletion).await;
    assert!(deletion.tags.event_ids().count() >= 2, "{deletion:?}");
    let found = read_heartbeats(&market).await;
    assert!(found.is_empty(), "{found:?}");
}

/// The heartbeats that the relay still has.
async fn read_heartbeats(market: &TestMarket) -> Vec<Event> {
    let client = Client::default();
    client.add_relay(market.relays[0].url()).await.unwrap();
    client.try_connect(TEST_TIMEOUT).await;
    let us = nostr_sdk::PublicKey::from_byte_array(*market.provider().as_bytes());
    let filter = Filter::new().author(us).kind(Kind::from_u16(HEARTBEAT_KIND));
    let found = client.fetch_events(filter, TEST_TIMEOUT).await.unwrap();
    client.shutdown().await;
    found.into_iter().collect()
}

/// Goal: a changed profile is published on reload. Method: another name and description while the
/// node runs.
#[tokio::test(flavor = "multi_thread")]
async fn changed_profile_is_published_at_once() {
    let market = TestMarket::start(MarketOptions::default()).await;
    let mut reader = Reader::of(&market, 0).await;
    let before = reader.announcement().await;
    let settings = with_market(&market, |section| {
        section.name = "Another".into();
        section.description = "new words".into();
    });
    assert_eq!(market.node().reload(&settings).await.unwrap().applied, ["description", "name"]);
    let profile = reader
        .until("a new profile", |event| {
            AnnouncementKind::Profile.is_of(event) && event.content.contains("Another")
        })
        .await;
    assert!(profile.content.contains("new words"), "{}", profile.content);
    let mut reader = Reader::of(&market, 0).await;
    let after = reader
        .until("a new announcement", |event| {
            parse(event).is_some_and(|said| said.name == "Another")
        })
        .await;
    assert!(after.created_at > before.created_at);
}

/// Goal: relays can be added and removed while the node runs, without losing a request. Method:
/// leave the first of two, send requests on both, return to the first; check what each relay is
/// sent.
#[tokio::test(flavor = "multi_thread")]
async fn relays_can_be_added_and_removed_while_running() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, relays: 2, ..MarketOptions::default() })
            .await;
    let urls = market.config.market.relays.clone();
    let (mut first, mut second) = (
        market.customer_on(&market.relays[..1]).await,
        market.customer_on(&market.relays[1..]).await,
    );
    let mut seen = market.bus.listen();
    let only_second = with_market(&market, |section| section.relays = urls[1..].to_vec());
    assert_eq!(market.node().reload(&only_second).await.unwrap().applied, ["relays"]);
    let left = timeout(TEST_TIMEOUT, async {
        loop {
            if let NodeEvent::Domain(DomainEvent::RelayDisconnected { url, reason, .. }) =
                seen.recv().await.unwrap()
            {
                return (url, reason);
            }
        }
    });
    assert_eq!(left.await.unwrap(), (urls[0].clone(), Some("no longer configured".to_owned())));
    assert_eq!(market.node().status().relays().len(), 1);
    Reader::of(&market, 1)
        .await
        .until("one relay", |event| AnnouncementKind::Relays.is_of(event) && event.tags.len() == 1)
        .await;

    let unheard = first.ask(vec![text("is anybody here?")]).await;
    let asked = second.ask(vec![text("here")]).await;
    assert_eq!(second.result(asked).await.content, "here");
    assert_eq!(market.stub.requests(), 1);

    market.node().reload(&market.config).await.unwrap();
    assert_eq!(first.result(unheard).await.content, "is anybody here?");
    Reader::of(&market, 0)
        .await
        .until("both relays", |event| {
            AnnouncementKind::Relays.is_of(event) && event.tags.len() == 2
        })
        .await;
    let mistake = with_market(&market, |section| {
        section.relays = vec![urls[0].clone(), "https://x".into()];
    });
    assert!(market.node().reload(&mistake).await.is_err());
    assert_eq!(market.node().status().relays().len(), 2, "nothing was changed");
    let again = second.ask(vec![text("again")]).await;
    assert_eq!(second.result(again).await.content, "again");
}

/// Goal: a node that has lost its backend announces no kind. Method: the backend fails, and the
/// announcement is replaced by one without a kind.
#[tokio::test(flavor = "multi_thread")]
async fn no_kind_is_announced_without_a_backend() {
    let mut market = TestMarket::start(MarketOptions::default()).await;
    let mut reader = Reader::of(&market, 0).await;
    let announced = reader.announcement().await;
    market.stub.fail();
    // A failed request makes the node probe its backend at once.
    market.customer().await.ask(vec![text("is anybody there?")]).await;
    let replaced =
        reader.until("a replacement", |event| AnnouncementKind::Announcement.is_of(event)).await;
    assert!(replaced.created_at > announced.created_at);
    assert_eq!(parse(&replaced), None);
    market.stop_node(TEST_TIMEOUT).await;
}

/// Goal: a request addressed to us of a kind that is not served gets a refusal. Method: a kind in
/// each filter of the subscription, and the ends of the range.
#[tokio::test(flavor = "multi_thread")]
async fn addressed_request_of_an_unserved_kind_is_refused() {
    let market = TestMarket::start(MarketOptions::default()).await;
    let mut customer = market.customer().await;
    for kind in [5000, 5249, 5251, 5600, 5999] {
        let tags = vec![text("hello"), pylon_nostr::nip90::RequestTag::Provider(market.provider())];
        let job = customer.broadcast(kind, tags).await;
        assert_eq!(
            customer.feedback(job, "error").await.message,
            format!("unsupported: kind {kind}")
        );
    }
    assert_eq!(market.stub.requests(), 0);
}

/// Goal: unknown topics and tags do not keep a request from being served. Method: a request full of
/// them.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_topics_and_tags_are_ignored() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let tags = [
        vec!["i", "hello", "text"],
        vec!["t", "bitcoin"],
        vec!["t"],
        vec!["zap", "x"],
        vec!["client", "y", "z"],
    ];
    let tags = tags.map(|tag| Tag::parse(tag).unwrap());
    let asked = EventBuilder::new(Kind::from_u16(5050), "")
        .tags(tags)
        .sign_with_keys(&Keys::generate())
        .unwrap();
    let client = Client::default();
    client.add_relay(market.relays[0].url()).await.unwrap();
    client.try_connect(TEST_TIMEOUT).await;
    client.send_event(&asked).await.unwrap();
    let state = market
        .wait_until(JobId::from_bytes(asked.id.to_bytes()), |state| {
            state.execution == Execution::Completed
        })
        .await;
    assert_eq!(state.output.unwrap().content, "hello");
}

/// Goal: a customer on none of our relays gets answers on its own, if the setting and the egress
/// policy allow it; otherwise nothing is sent there. Method: a request that names a relay on
/// loopback; the answers there without the setting, without the exception, and with both; the
/// setting from the start, or changed while the node runs.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_sent_to_customer_relays_if_allowed() {
    for (at_first, customer_relays, allowed, answered) in [
        (false, false, true, false),
        (true, true, false, false),
        (true, true, true, true),
        (false, true, true, true),
        (true, false, true, false),
    ] {
        let theirs = InProcessRelay::start().await.unwrap();
        let place = theirs.url().trim_start_matches("ws://").to_owned();
        let allow = if allowed { vec![place] } else { Vec::new() };
        let network = pylon_egress::Config { allow, ..pylon_egress::Config::default() };
        let market = TestMarket::start(MarketOptions {
            wallet: false,
            customer_relays: at_first,
            network,
            ..MarketOptions::default()
        })
        .await;
        let settings = with_market(&market, |section| section.customer_relays = customer_relays);
        market.node().reload(&settings).await.unwrap();
        let tags = [Tag::parse(["i", "hello", "text"]), Tag::parse(["relays", theirs.url()])]
            .map(Result::unwrap);
        let keys = Keys::generate();
        let asked =
            EventBuilder::new(Kind::from_u16(5050), "").tags(tags).sign_with_keys(&keys).unwrap();
        let (near, far) = (Client::default(), Client::default());
        near.add_relay(market.relays[0].url()).await.unwrap();
        far.add_relay(theirs.url()).await.unwrap();
        near.try_connect(TEST_TIMEOUT).await;
        far.try_connect(TEST_TIMEOUT).await;
        let answers = Filter::new()
            .pubkey(keys.public_key())
            .kinds([Kind::JobFeedback, Kind::from_u16(6050)]);
        let mut there = Reader { events: far.notifications(), _client: far.clone() };
        far.subscribe(answers.clone(), None).await.unwrap();
        near.send_event(&asked).await.unwrap();
        let job = JobId::from_bytes(asked.id.to_bytes());
        market.wait_until(job, |state| state.delivery == Delivery::Delivered).await;
        if answered {
            let result = there.until("a result", |event| event.kind == Kind::from_u16(6050)).await;
            assert_eq!((result.content.as_str(), result.verify().is_ok()), ("hello", true));
        } else {
            assert!(far.fetch_events(answers, TEST_TIMEOUT).await.unwrap().is_empty());
        }
    }
}

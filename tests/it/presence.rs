//! What the node says of itself on real relays, and who hears from it.

use nostr_sdk::prelude::{
    Client, Event, EventBuilder, Filter, Keys, Kind, RelayPoolNotification, Tag,
};
use pylon_core::JobId;
use pylon_core::event::DomainEvent;
use pylon_core::machine::{Delivery, Execution};
use pylon_node::config::{Config, MarketConfig, Network};
use pylon_nostr::announcement::{Subject, parse};
use pylon_nostr::market::read_announcement;
use pylon_nostr::relay::InProcessRelay;
use pylon_provider::Observation;
use pylon_tests::stage::{PATIENCE, Set, Stage, text};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::timeout;

/// The settings of the node with another section for the market.
fn with_market(stage: &Stage, change: impl FnOnce(&mut MarketConfig)) -> Config {
    let mut config = stage.config.clone();
    change(&mut config.market);
    config
}

/// Somebody who reads everything that the provider says of itself.
struct Reader {
    _client: Client,
    heard: broadcast::Receiver<RelayPoolNotification>,
}

impl Reader {
    async fn of(stage: &Stage, relay: usize) -> Self {
        let client = Client::default();
        client.add_relay(stage.relays[relay].url()).await.unwrap();
        client.try_connect(PATIENCE).await;
        let heard = client.notifications();
        let us = nostr_sdk::PublicKey::from_byte_array(*stage.provider().as_bytes());
        let kinds = Subject::ALL
            .map(|subject| Kind::from_u16(subject.kind()))
            .into_iter()
            .chain([Kind::EventDeletion]);
        client.subscribe(Filter::new().author(us).kinds(kinds), None).await.unwrap();
        Self { _client: client, heard }
    }

    async fn until(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let found = timeout(PATIENCE, async {
            loop {
                if let RelayPoolNotification::Event { event, .. } = self.heard.recv().await.unwrap()
                    && wanted(&event)
                {
                    return *event;
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("never heard: {what}"))
    }

    async fn announcement(&mut self) -> Event {
        self.until("an announcement", |event| parse(event).is_some()).await
    }
}

/// Goal: a customer finds the node on every relay, the same event everywhere, and no longer after a clean stop; the next start announces it anew and
/// leaves the profile as it was. Method: two relays, read with a client of our own and with what `doctor` uses.
#[tokio::test(flavor = "multi_thread")]
async fn announced_and_withdrawn() {
    let mut stage = Stage::set(Set { relays: 2, ..Set::default() }).await;
    let urls: Vec<String> = stage.relays.iter().map(|relay| relay.url().to_owned()).collect();
    let mut ids = Vec::new();
    for relay in 0..2 {
        let mut reader = Reader::of(&stage, relay).await;
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
    let mut reader = Reader::of(&stage, 0).await;
    let profile = reader.until("a profile", |event| Subject::Profile.is_of(event)).await;
    assert!(profile.content.contains("Pylon Provider"), "{}", profile.content);
    let list =
        Reader::of(&stage, 0).await.until("relays", |event| Subject::Relays.is_of(event)).await;
    assert_eq!(list.tags.len(), 2);

    let asked = Keys::generate();
    for (url, found) in read_announcement(&asked, stage.provider(), &urls, PATIENCE).await {
        assert_eq!(found.unwrap().unwrap().kinds, [5050], "readable on {url}");
    }
    let nowhere = read_announcement(
        &asked,
        stage.provider(),
        &["ws://127.0.0.1:9".into()],
        Duration::from_secs(5),
    )
    .await;
    assert_eq!(nowhere[0].1, Err("not connected".to_owned()));

    stage.stop(PATIENCE).await;
    reader.until("a deletion", |event| event.kind == Kind::EventDeletion).await;
    for (url, found) in read_announcement(&asked, stage.provider(), &urls, PATIENCE).await {
        assert_eq!(found, Ok(None), "withdrawn from {url}");
    }
    stage.start().await;
    reader.announcement().await;
    let kept =
        Reader::of(&stage, 0).await.until("a profile", |event| Subject::Profile.is_of(event)).await;
    assert_eq!(kept.id, profile.id, "said already");
}

/// Goal: what the operator calls the node holds as soon as it is read. Method: another name and other words while it runs.
#[tokio::test(flavor = "multi_thread")]
async fn other_words_are_said_at_once() {
    let stage = Stage::set(Set::default()).await;
    let mut reader = Reader::of(&stage, 0).await;
    let before = reader.announcement().await;
    let settings = with_market(&stage, |market| {
        market.name = "Another".into();
        market.description = "new words".into();
    });
    assert_eq!(stage.node().reload(&settings).await.unwrap().applied, ["description", "name"]);
    let profile = reader
        .until("a new profile", |event| {
            Subject::Profile.is_of(event) && event.content.contains("Another")
        })
        .await;
    assert!(profile.content.contains("new words"), "{}", profile.content);
    let mut reader = Reader::of(&stage, 0).await;
    let after = reader
        .until("a new announcement", |event| {
            parse(event).is_some_and(|said| said.name == "Another")
        })
        .await;
    assert!(after.created_at > before.created_at);
}

/// Goal: relays come and go while the node runs, and no request is lost by it. Method: leave the first of two, ask on both, come back to the first;
/// what relays are told of it.
#[tokio::test(flavor = "multi_thread")]
async fn relays_come_and_go() {
    let stage = Stage::set(Set { wallet: false, relays: 2, ..Set::default() }).await;
    let urls = stage.config.market.relays.clone();
    let (mut first, mut second) =
        (stage.customer_on(&stage.relays[..1]).await, stage.customer_on(&stage.relays[1..]).await);
    let mut seen = stage.bus.listen();
    let only_second = with_market(&stage, |market| market.relays = urls[1..].to_vec());
    assert_eq!(stage.node().reload(&only_second).await.unwrap().applied, ["relays"]);
    let left = timeout(PATIENCE, async {
        loop {
            if let Observation::Event(DomainEvent::RelayDisconnected { url, reason, .. }) =
                seen.recv().await.unwrap()
            {
                return (url, reason);
            }
        }
    });
    assert_eq!(left.await.unwrap(), (urls[0].clone(), Some("not one of ours any more".to_owned())));
    assert_eq!(stage.node().facts().relays().len(), 1);
    Reader::of(&stage, 1)
        .await
        .until("one relay", |event| Subject::Relays.is_of(event) && event.tags.len() == 1)
        .await;

    let unheard = first.ask(vec![text("is anybody here?")]).await;
    let heard = second.ask(vec![text("here")]).await;
    assert_eq!(second.result(heard).await.content, "here");
    assert_eq!(stage.stub.asked(), 1);

    stage.node().reload(&stage.config).await.unwrap();
    assert_eq!(first.result(unheard).await.content, "is anybody here?");
    Reader::of(&stage, 0)
        .await
        .until("both relays", |event| Subject::Relays.is_of(event) && event.tags.len() == 2)
        .await;
    let mistake = with_market(&stage, |market| {
        market.relays = vec![urls[0].clone(), "https://x".into()];
    });
    assert!(stage.node().reload(&mistake).await.is_err());
    assert_eq!(stage.node().facts().relays().len(), 2, "nothing was changed");
    let again = second.ask(vec![text("again")]).await;
    assert_eq!(second.result(again).await.content, "again");
}

/// Goal: a node that has lost its backend does not invite anybody. Method: the backend goes, and the announcement is replaced by one without a kind.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_backend_nothing_is_announced() {
    let mut stage = Stage::set(Set::default()).await;
    let mut reader = Reader::of(&stage, 0).await;
    let announced = reader.announcement().await;
    stage.stub.break_down();
    // A request that fails makes the node look again at once.
    stage.customer().await.ask(vec![text("is anybody there?")]).await;
    let replaced = reader.until("a replacement", |event| Subject::Announcement.is_of(event)).await;
    assert!(replaced.created_at > announced.created_at);
    assert_eq!(parse(&replaced), None);
    stage.stop(PATIENCE).await;
}

/// Goal: who addresses us hears that a kind is not done here. Method: a kind in each filter of the subscription, and the ends of the range.
#[tokio::test(flavor = "multi_thread")]
async fn an_addressed_request_of_any_kind_is_answered() {
    let stage = Stage::set(Set::default()).await;
    let mut customer = stage.customer().await;
    for kind in [5000, 5249, 5251, 5600, 5999] {
        let tags = vec![text("hello"), pylon_nostr::nip90::RequestTag::Provider(stage.provider())];
        let job = customer.broadcast(kind, tags).await;
        assert_eq!(
            customer.feedback(job, "error").await.message,
            format!("unsupported: kind {kind}")
        );
    }
    assert_eq!(stage.stub.asked(), 0);
}

/// Goal: topics and tags that nobody knows keep nobody from being served. Method: a request full of them.
#[tokio::test(flavor = "multi_thread")]
async fn topics_change_nothing() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
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
    client.add_relay(stage.relays[0].url()).await.unwrap();
    client.try_connect(PATIENCE).await;
    client.send_event(&asked).await.unwrap();
    let state = stage
        .until(JobId::from_bytes(asked.id.to_bytes()), |state| {
            state.execution == Execution::Completed
        })
        .await;
    assert_eq!(state.output.unwrap().content, "hello");
}

/// Goal: a customer who is on none of our relays hears from us where it wants, if the operator lets us and the policy for addresses does; otherwise
/// nobody there hears anything. Method: a request that names a relay on loopback; the answers there, without the setting, without the exception, with
/// both; the setting from the start, or put and taken away while the node runs.
#[tokio::test(flavor = "multi_thread")]
async fn answers_go_where_customers_want_them() {
    for (at_first, customer_relays, excepted, heard) in [
        (false, false, true, false),
        (true, true, false, false),
        (true, true, true, true),
        (false, true, true, true),
        (true, false, true, false),
    ] {
        let theirs = InProcessRelay::start().await.unwrap();
        let place = theirs.url().trim_start_matches("ws://").to_owned();
        let allow = if excepted { vec![place] } else { Vec::new() };
        let network = Network { allow, ..Network::default() };
        let stage =
            Stage::set(Set { wallet: false, customer_relays: at_first, network, ..Set::default() })
                .await;
        let settings = with_market(&stage, |market| market.customer_relays = customer_relays);
        stage.node().reload(&settings).await.unwrap();
        let tags = [Tag::parse(["i", "hello", "text"]), Tag::parse(["relays", theirs.url()])]
            .map(Result::unwrap);
        let keys = Keys::generate();
        let asked =
            EventBuilder::new(Kind::from_u16(5050), "").tags(tags).sign_with_keys(&keys).unwrap();
        let (near, far) = (Client::default(), Client::default());
        near.add_relay(stage.relays[0].url()).await.unwrap();
        far.add_relay(theirs.url()).await.unwrap();
        near.try_connect(PATIENCE).await;
        far.try_connect(PATIENCE).await;
        let answers = Filter::new()
            .pubkey(keys.public_key())
            .kinds([Kind::JobFeedback, Kind::from_u16(6050)]);
        let mut there = Reader { heard: far.notifications(), _client: far.clone() };
        far.subscribe(answers.clone(), None).await.unwrap();
        near.send_event(&asked).await.unwrap();
        let job = JobId::from_bytes(asked.id.to_bytes());
        stage.until(job, |state| state.delivery == Delivery::Delivered).await;
        if heard {
            let result = there.until("a result", |event| event.kind == Kind::from_u16(6050)).await;
            assert_eq!((result.content.as_str(), result.verify().is_ok()), ("hello", true));
        } else {
            assert!(far.fetch_events(answers, PATIENCE).await.unwrap().is_empty());
        }
    }
}

//! Results larger than a relay accepts: delivered in parts, assembled by the buyer, rejected if a
//! part is wrong.

use nostr_sdk::{Client, Event, EventBuilder, Filter, Keys, Kind, RelayPoolNotification, Tag};
use pylon_core::machine::{Execution, Settlement};
use pylon_core::message::Message;
use pylon_core::work::Output;
use pylon_core::{Job, PublicKey, UnixTime};
use pylon_nostr::buyer::ProviderMessage;
use pylon_nostr::nip90::{PART_KIND, RequestTag, SizeLimit, write};
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT, TestMarket, param, text};
use pylon_tests::stub::Script;

const RELAY_BYTES: usize = 64 * 1024;

/// 300 KB, word by word.
fn long_answer() -> &'static str {
    let words: Vec<String> =
        (0..2600).map(|number| format!("{number:04}{}", "é".repeat(56))).collect();
    Box::leak(words.join(" ").into_boxed_str())
}

/// Subscribes to everything that the provider publishes from now on.
async fn listener(
    market: &TestMarket,
) -> (Client, tokio::sync::broadcast::Receiver<RelayPoolNotification>) {
    let client = Client::default();
    client.add_relay(market.relays[0].url()).await.unwrap();
    client.connect().await;
    let notifications = client.notifications();
    let provider = nostr_sdk::PublicKey::from_byte_array(*market.provider().as_bytes());
    client.subscribe(Filter::new().author(provider), None).await.unwrap();
    (client, notifications)
}

/// Goal: a result of 300 KB arrives complete over a relay that accepts 64 KiB, its parts before the
/// event that names them; parts of a confidential job are unreadable to others. Method: a public
/// and a confidential request, and a subscriber to all that is published.
#[tokio::test(flavor = "multi_thread")]
async fn large_result_is_delivered_in_parts() {
    let answer = long_answer();
    let set = MarketOptions {
        script: Script::Reply(answer),
        wallet: false,
        message_bytes_max: Some(RELAY_BYTES),
        ..MarketOptions::default()
    };
    let market = TestMarket::start(set).await;
    let mut customer = market.customer().await;
    let (client, mut published) = listener(&market).await;
    for encryption in [None, Some(RequestTag::Encrypted)] {
        let confidential = encryption.is_some();
        let job = customer
            .ask(
                [text("much"), param("max_tokens", "4000")].into_iter().chain(encryption).collect(),
            )
            .await;
        let result = customer.result(job).await;
        assert!(result.content == answer, "{} of {} bytes", result.content.len(), answer.len());
        assert!(result.attributes.iter().any(|fact| fact.name == "model"));
        assert_eq!(result.encrypted, confidential);

        let mut parts = 0;
        loop {
            let notification =
                tokio::time::timeout(TEST_TIMEOUT, published.recv()).await.unwrap().unwrap();
            let RelayPoolNotification::Event { event, .. } = notification else { continue };
            match event.kind.as_u16() {
                PART_KIND => {
                    parts += 1;
                    assert_eq!(event.tags.identifier(), Some(format!("{job}:{parts}").as_str()));
                    assert_eq!(event.content.contains("éééé"), !confidential);
                }
                6050 => {
                    assert!(parts > 4, "{parts} parts before the result");
                    assert_eq!(
                        event.content.contains(&format!("in {parts} events")),
                        !confidential
                    );
                    break;
                }
                _ => {}
            }
        }
    }
    client.disconnect().await;
}

/// Goal: a result that the relays cannot carry ends in a clear error and is not charged. Method:
/// relays that announce 16 KiB, and a result whose parts no event of that size can list.
#[tokio::test(flavor = "multi_thread")]
async fn result_too_large_for_every_relay_is_an_error() {
    let words: Vec<String> =
        (0..2600).map(|number| format!("{number:04}{}", "\u{1}".repeat(110))).collect();
    let answer = words.join(" ").leak();
    let about = r#"{"limitation":{"max_message_length":16384}}"#;
    let set = MarketOptions {
        script: Script::Reply(answer),
        pricing: &[("terms", "hold")],
        relay_info: Some(about),
        ..MarketOptions::default()
    };
    let market = TestMarket::start(set).await;
    market.proxies[0].info_read().await;
    let mut customer = market.customer().await;
    let job = customer.ask(vec![text("too much"), param("max_tokens", "4000")]).await;
    let (_, bolt11) = customer.feedback(job, "payment-required").await.due.unwrap();
    market.bank.pay(&bolt11.unwrap()).unwrap();
    let error = customer.feedback(job, "error").await.message;
    assert!(
        error.starts_with("processing error: ") && error.ends_with("even in parts: request less"),
        "{error}"
    );
    let state = market.wait_until(job, |state| state.settlement == Settlement::Cancelled).await;
    assert_eq!(state.execution, Execution::Failed);
}

/// Goal: a buyer accepts only parts that match their hash. Method: a provider that lists one text
/// by the hash of another.
#[tokio::test(flavor = "multi_thread")]
async fn tampered_result_part_is_rejected() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    let mallory = Keys::generate();
    // A kind that only Mallory serves.
    let id = customer.broadcast(5001, vec![text("a long story, please")]).await;
    let job = Job {
        id,
        customer: PublicKey::from_bytes(*customer.key().as_bytes()),
        ..Job::placeholder(5001)
    };
    let now = UnixTime::new(nostr_sdk::Timestamp::now().as_secs());
    let answer = |text: &str| -> Vec<Event> {
        let output = Output { content: text.repeat(200_000), ..Output::default() };
        let message = Message::Result { job: &job, output: &output, due: None, guests: &[] };
        write(&message, now, &mallory, SizeLimit::default()).unwrap()
    };
    let (honest, mut other) = (answer("a"), answer("b"));
    other.pop();
    let named = honest.last().unwrap();
    // The id of the second part is that of another text, its hash is not.
    let tags = named.tags.iter().map(|tag| match tag.as_slice() {
        [name, id, hash] if name == "part" && *id == honest[1].id.to_hex() => {
            Tag::parse(["part", &other[1].id.to_hex(), hash]).unwrap()
        }
        _ => tag.clone(),
    });
    let named = EventBuilder::new(Kind::from_u16(6001), named.content.clone())
        .tags(tags)
        .sign_with_keys(&mallory)
        .unwrap();
    let client = Client::default();
    client.add_relay(market.relays[0].url()).await.unwrap();
    client.connect().await;
    // Of two parts with the same number a relay keeps one.
    for event in
        [&honest[0], &other[1]].into_iter().chain(&honest[2..honest.len() - 1]).chain([&named])
    {
        client.send_event(event).await.unwrap();
    }
    let message = tokio::time::timeout(TEST_TIMEOUT, customer.buyer.next()).await.unwrap().unwrap();
    let ProviderMessage::Unreadable { job: about, why, .. } = message else {
        panic!("{message:?}")
    };
    assert_eq!(about, job.id);
    assert_eq!(
        why,
        format!("part 2 of {} has another SHA-256 than in the result", honest.len() - 1)
    );
    client.disconnect().await;
}

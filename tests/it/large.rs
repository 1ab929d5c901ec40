//! Answers that are larger than the relay takes: delivered in parts, put together by the buyer, and refused if a part is wrong.

use nostr_sdk::{Client, Event, EventBuilder, Filter, Keys, Kind, RelayPoolNotification, Tag};
use pylon_core::machine::{Execution, Settlement};
use pylon_core::ports::market::Message;
use pylon_core::work::Output;
use pylon_core::{Job, PublicKey, UnixTime};
use pylon_nostr::buyer::ProviderMessage;
use pylon_nostr::nip90::{PART_KIND, RequestTag, SizeLimit, write};
use pylon_tests::stage::{PATIENCE, Set, Stage, param, text};
use pylon_tests::stub::Script;

const RELAY_BYTES: usize = 64 * 1024;

/// 300 KB, word by word.
fn long_answer() -> &'static str {
    let words: Vec<String> =
        (0..2600).map(|number| format!("{number:04}{}", "é".repeat(56))).collect();
    Box::leak(words.join(" ").into_boxed_str())
}

/// Everything the provider publishes from now on, as it comes.
async fn listener(
    stage: &Stage,
) -> (Client, tokio::sync::broadcast::Receiver<RelayPoolNotification>) {
    let client = Client::default();
    client.add_relay(stage.relays[0].url()).await.unwrap();
    client.connect().await;
    let notifications = client.notifications();
    let provider = nostr_sdk::PublicKey::from_byte_array(*stage.provider().as_bytes());
    client.subscribe(Filter::new().author(provider), None).await.unwrap();
    (client, notifications)
}

/// Goal: an answer of 300 KB arrives whole over a relay that takes 64 KiB, its parts before what names them; of a confidential job, no part can be
/// read by others. Method: an open and a confidential request, and somebody who listens to all that is published.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_arrives_whole() {
    let answer = long_answer();
    let set = Set {
        script: Script::Say(answer),
        wallet: false,
        message_bytes: Some(RELAY_BYTES),
        ..Set::default()
    };
    let stage = Stage::set(set).await;
    let mut customer = stage.customer().await;
    let (client, mut published) = listener(&stage).await;
    for secrecy in [None, Some(RequestTag::Encrypted)] {
        let confidential = secrecy.is_some();
        let job = customer
            .ask([text("much"), param("max_tokens", "4000")].into_iter().chain(secrecy).collect())
            .await;
        let result = customer.result(job).await;
        assert!(result.content == answer, "{} of {} bytes", result.content.len(), answer.len());
        assert!(result.attributes.iter().any(|fact| fact.name == "model"));
        assert_eq!(result.encrypted, confidential);

        let mut parts = 0;
        loop {
            let notification =
                tokio::time::timeout(PATIENCE, published.recv()).await.unwrap().unwrap();
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

/// Goal: a result that the relays cannot carry ends in a clear error and is not charged. Method: relays that say they take 16 KiB, and an answer whose
/// parts no event of that size can name.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_no_relay_can_carry() {
    let words: Vec<String> =
        (0..2600).map(|number| format!("{number:04}{}", "\u{1}".repeat(110))).collect();
    let answer = words.join(" ").leak();
    let about = r#"{"limitation":{"max_message_length":16384}}"#;
    let set = Set {
        script: Script::Say(answer),
        pricing: &[("terms", "hold")],
        proxied: Some(about),
        ..Set::default()
    };
    let stage = Stage::set(set).await;
    stage.proxies[0].told().await;
    let mut customer = stage.customer().await;
    let job = customer.ask(vec![text("too much"), param("max_tokens", "4000")]).await;
    let (_, bolt11) = customer.feedback(job, "payment-required").await.due.unwrap();
    stage.bank.pay(&bolt11.unwrap()).unwrap();
    let told = customer.feedback(job, "error").await.message;
    assert!(
        told.starts_with("processing error: ") && told.ends_with("even in parts: ask for less"),
        "{told}"
    );
    let state = stage.until(job, |state| state.settlement == Settlement::Cancelled).await;
    assert_eq!(state.execution, Execution::Failed);
}

/// Goal: a buyer never takes a part for what it is not. Method: a provider that names one text by the hash of another.
#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_part_is_noticed() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let mallory = Keys::generate();
    // Of a kind that only Mallory serves.
    let id = customer.broadcast(5001, vec![text("a long story, please")]).await;
    let job = Job {
        id,
        customer: PublicKey::from_bytes(*customer.key().as_bytes()),
        ..Job::of_nobody(5001)
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
    // The second part's id is that of another text, its hash is not.
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
    client.add_relay(stage.relays[0].url()).await.unwrap();
    client.connect().await;
    // Of two parts with one number a relay keeps one.
    for event in
        [&honest[0], &other[1]].into_iter().chain(&honest[2..honest.len() - 1]).chain([&named])
    {
        client.send_event(event).await.unwrap();
    }
    let heard = tokio::time::timeout(PATIENCE, customer.buyer.next()).await.unwrap().unwrap();
    let ProviderMessage::Unreadable { job: about, why, .. } = heard else { panic!("{heard:?}") };
    assert_eq!(about, job.id);
    assert_eq!(why, format!("part 2 of {} is not what the result names", honest.len() - 1));
    client.disconnect().await;
}

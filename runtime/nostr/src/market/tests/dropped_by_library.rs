//! Requests that the library drops, but whose customers get an answer.

use super::*;

/// Goal: an expired request that names us is answered; others are not, and it cannot be forged.
/// Method: one that is signed, one that is not, one without a provider, then a valid one.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_request_to_us_is_answered() {
    let relay = Scripted::start().await;
    let (market, _) = market(&[&relay.url], quick()).await;
    let mut session = relay.accept().await;
    let keys = Keys::generate();
    let expired =
        |builder: EventBuilder| builder.tag(RequestTag::Expiration(now().minus(60)).to_tag());
    let late = expired(asked_of("late", market.public_key())).sign_with_keys(&keys).unwrap();
    let disguised = expired(asked_of("disguised", market.public_key()))
        .sign_with_keys(&Keys::generate())
        .unwrap();
    let to_all = expired(asking("to all")).sign_with_keys(&keys).unwrap();
    let good = asking("good").sign_with_keys(&keys).unwrap();
    for event in [
        with(&disguised, "pubkey", &keys.public_key().to_hex()),
        to_all.as_json(),
        late.as_json(),
        late.as_json(),
    ] {
        session.feed(&event).await;
    }
    session.feed(&good.as_json()).await;
    session.end_of_stored().await;
    match within(market.next()).await {
        Some(Incoming::Malformed { id, targeted: true, reason, .. }) => {
            assert_eq!((id.to_hex(), reason.as_str()), (late.id.to_hex(), "expired"));
        }
        other => panic!("not the expired one: {other:?}"),
    }
    assert_eq!(next_job(&market).await.id.to_hex(), good.id.to_hex());
    let counts = market.counts();
    assert_eq!((counts.queued, counts.forged), (2, 1));
}

/// Goal: a customer who names us gets an answer also if the library drops the request for its tags.
/// Method: requests with an empty tag, with 600 tags, and with both; an empty tag in a request to
/// all, in one that another key signed, and in one whose id is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_the_library_drops_are_answered() {
    let relay = Scripted::start().await;
    let (market, _) = market(&[&relay.url], quick()).await;
    let mut session = relay.accept().await;
    let keys = Keys::generate();
    let us = market.public_key().to_hex();
    let request = |empty: bool, many: usize, us: Option<&str>| {
        let mut tags = vec![vec!["i".to_owned(), "hi".into()]];
        tags.extend(us.map(|us| vec!["p".to_owned(), us.to_owned()]));
        tags.extend((0..many).map(|number| vec!["t".to_owned(), number.to_string()]));
        tags.extend(empty.then(Vec::new));
        written_event(&keys, &tags)
    };
    let valid = request(true, 0, Some(&us));
    let (mut forged, mut altered) = (valid.clone(), valid.clone());
    forged["pubkey"] = Keys::generate().public_key().to_hex().into();
    altered["content"] = "other".into();
    let rows = [
        (request(true, 0, None), None),
        (forged, None),
        (altered, None),
        (valid, Some("a tag is empty")),
        (request(false, 600, Some(&us)), Some("602 tags, 200 are allowed")),
        (request(true, 600, Some(&us)), Some("a tag is empty")),
    ];
    for (event, _) in &rows {
        session.feed(&event.to_string()).await;
    }
    session.end_of_stored().await;
    for (event, reason) in rows.iter().filter_map(|(event, reason)| Some((event, (*reason)?))) {
        match within(market.next()).await {
            Some(Incoming::Malformed { id, targeted: true, reason: given, .. }) => {
                assert_eq!(
                    (id.to_hex(), given.as_str()),
                    (event["id"].as_str().unwrap().into(), reason)
                );
            }
            other => panic!("{reason}: {other:?}"),
        }
    }
    assert_eq!(market.counts().queued, 3);
}

/// A signed request of kind 5050 with these tags, as it is written.
fn written_event(keys: &Keys, tags: &[Vec<String>]) -> serde_json::Value {
    let (key, at) = (keys.public_key().to_hex(), now().get());
    let text = serde_json::json!([0, key, at, 5050, tags, ""]).to_string();
    let id = pylon_core::Digest::of(text.as_bytes());
    let message = nostr_sdk::secp256k1::Message::from_digest(*id.as_bytes());
    serde_json::json!({
        "id": id.to_hex(), "pubkey": key, "created_at": at, "kind": 5050, "tags": tags,
        "content": "", "sig": keys.sign_schnorr(&message).to_string(),
    })
}

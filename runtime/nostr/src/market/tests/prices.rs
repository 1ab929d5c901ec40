//! Prices of other providers: read from passing events, and counted only if signed.

use super::*;

fn result(of: &Event, kind: u16, amount: u64) -> EventBuilder {
    let amount = Tag::parse(["amount".to_owned(), amount.to_string(), "lnbc1".into()]).unwrap();
    EventBuilder::new(Kind::from_u16(kind), "done").tags([Tag::event(of.id), amount])
}

fn feedback(of: &Event, status: &str, amount: u64) -> EventBuilder {
    result(of, nip90::FEEDBACK_KIND, amount).tag(Tag::parse(["status", status]).unwrap())
}

/// Goal: only signed prices of other providers for our kinds count. Method: one event per row, each
/// of another provider; then a request, whose arrival proves that all events before it were read.
#[tokio::test(flavor = "multi_thread")]
async fn prices_of_other_providers_are_observed() {
    let relay = Scripted::start().await;
    let ours = Keys::generate();
    let entry = Entry {
        keys: ours.clone(),
        kinds: vec![5050, 5100],
        ..super::entry(vec![relay.url.clone()])
    };
    let (market, _) = NostrMarket::connect(entry, quick()).await.unwrap();
    let mut session = relay.accept_serving(&[5050, 5100]).await;
    let requests = session.subscription.clone();
    let to_another = |message: &str| {
        asked_of(message, public(&Keys::generate())).sign_with_keys(&Keys::generate()).unwrap()
    };
    let (known, unknown) = (to_another("known"), to_another("unknown"));
    session.feed(&known.as_json()).await;

    let signed = |builder: EventBuilder| builder.sign_with_keys(&Keys::generate()).unwrap();
    let forged = signed(result(&known, 6050, 1));
    let old = Timestamp::from_secs(now().get() - 90_000);
    let rows = [
        ("a result", signed(result(&known, 6050, 30_000)).as_json(), 1),
        ("a result of an unknown request", signed(result(&unknown, 6050, 10_000)).as_json(), 2),
        ("a payment demand", signed(feedback(&known, "payment-required", 20_000)).as_json(), 3),
        (
            "a payment demand for an unknown request",
            signed(feedback(&unknown, "payment-required", 1)).as_json(),
            3,
        ),
        ("not a payment demand", signed(feedback(&known, "processing", 1)).as_json(), 3),
        ("another kind", signed(result(&known, 6100, 1)).as_json(), 3),
        ("a kind that is not served", signed(result(&known, 6200, 1)).as_json(), 3),
        ("content that was not signed", with(&forged, "content", "lie"), 3),
        ("another signature", with(&forged, "sig", &"0".repeat(128)), 3),
        ("an old result", signed(result(&known, 6050, 1).custom_created_at(old)).as_json(), 3),
        ("our own result", result(&known, 6050, 1).sign_with_keys(&ours).unwrap().as_json(), 3),
        ("another result", signed(result(&known, 6050, 50_000)).as_json(), 4),
    ];
    for (what, event, offers) in rows {
        session.subscription = price_feed::SUBSCRIPTION.into();
        session.feed(&event).await;
        session.subscription.clone_from(&requests);
        session.feed(&asking(what).sign_with_keys(&Keys::generate()).unwrap().as_json()).await;
        session.end_of_stored().await;
        next_job(&market).await;
        assert_eq!(
            market.prices(5050, now()).map_or(offers.min(2), |view| view.offers),
            offers,
            "{what}"
        );
    }
    let view = market.prices(5050, now()).unwrap();
    assert_eq!(
        (view.low, view.median, view.high),
        (Msat::new(10_000), Msat::new(25_000), Msat::new(50_000))
    );
    assert_eq!(market.prices(5100, now()), None);
}

/// Goal: our own answers are recognised without parsing. Method: frames as relays write them, ours
/// and others, some of which quote us.
#[test]
fn an_echo_is_recognised_by_its_frame() {
    let (us, other) = (Keys::generate(), Keys::generate());
    let prices = PriceFeed::new(us.public_key(), watch::channel(Arc::from([5050])).1);
    let by = |keys: &Keys, message: &str| {
        EventBuilder::text_note(message).sign_with_keys(keys).unwrap().as_json()
    };
    let quoting = by(&other, &by(&us, "hi"));
    for (event, subscription, echo) in [
        (by(&us, "hi"), price_feed::SUBSCRIPTION, true),
        (by(&us, "hi"), "pylon-results", false),
        (by(&other, "hi"), price_feed::SUBSCRIPTION, false),
        (quoting, price_feed::SUBSCRIPTION, false),
    ] {
        assert_eq!(
            prices.is_echo(&format!("[\"EVENT\",\"{subscription}\",{event}]")),
            echo,
            "{subscription} {event}"
        );
    }
}

fn public(keys: &Keys) -> PublicKey {
    identity::public_key(keys)
}

//! Queries to our relays, one-shot connections to other relays, and what a relay that lies or
//! refuses can do.

use super::*;
use crate::announcement::HEARTBEAT_KIND;
use crate::market::queries::QueryError;
use pylon_egress::policy::EgressPolicy;

fn note(message: &str) -> Event {
    EventBuilder::text_note(message).sign_with_keys(&Keys::generate()).unwrap()
}

fn id_of(event: &Event) -> MessageId {
    MessageId::from_bytes(event.id.to_bytes())
}

/// Goal: only a matching event is an answer. Method: another event, the id of the wanted one with
/// another content, then the wanted one; after that a refusal, and silence.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_must_match_the_filter() {
    let relay = Scripted::start().await;
    let (market, _) = market(&[&relay.url], quick()).await;
    let market = Arc::new(market);
    let mut session = relay.accept().await;
    let wanted = note("wanted");
    let ask = |within: Duration| {
        let (market, id) = (Arc::clone(&market), id_of(&wanted));
        tokio::spawn(
            async move { market.message(id, None, &EgressPolicy::default(), within).await },
        )
    };
    for (what, found) in
        [("lies, then the truth", Some("wanted")), ("refused", None), ("lies only", None)]
    {
        let answer = ask(DEADLINE);
        let question = session.hear().await;
        assert_eq!(
            (&question[0], &question[2]["ids"][0]),
            (&"REQ".into(), &wanted.id.to_hex().into()),
            "{what}"
        );
        session.subscription = question[1].as_str().unwrap().to_owned();
        if what == "refused" {
            session.say(serde_json::json!(["CLOSED", session.subscription, "error: no"])).await;
        } else {
            session.feed(&note("other").as_json()).await;
            session.feed(&with(&wanted, "content", "lie")).await;
            if found.is_some() {
                session.feed(&wanted.as_json()).await;
            }
            session.end_of_stored().await;
        }
        assert_eq!(within(answer).await.unwrap().as_deref(), found, "{what}");
        let closed = session.hear().await;
        assert_eq!(
            (&closed[0], &closed[1]),
            (&"CLOSE".into(), &session.subscription.clone().into()),
            "{what}"
        );
    }
    assert_eq!(ask(Duration::from_millis(50)).await.unwrap(), None, "silence");
    assert_eq!(market.counts(), Counts::default(), "none of the events is a request");
}

/// Goal: a relay cannot answer for another one. Method: one of two relays is queried. The other one
/// sends a matching event, the end and a refusal for that query before the first answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_cannot_answer_for_another() {
    let (asked, other) = (Scripted::start().await, Scripted::start().await);
    let (market, _) = market(&[&asked.url, &other.url], quick()).await;
    let (mut session, mut other) = tokio::join!(asked.accept(), other.accept());
    let keys = Keys::generate();
    let note = |message: &str| EventBuilder::text_note(message).sign_with_keys(&keys).unwrap();
    let filter = Filter::new().author(keys.public_key());
    let relays = market.relays.all();
    let answer = market.queries.query(&relays[0], filter, DEADLINE);
    let talk = async {
        session.subscription = session.hear().await[1].as_str().unwrap().to_owned();
        other.subscription = session.subscription.clone();
        other.feed(&note("a lie").as_json()).await;
        other.end_of_stored().await;
        other.say(serde_json::json!(["CLOSED", other.subscription, "error: no"])).await;
        // A request over the same connection shows that all frames before it were read.
        other.subscription = "pylon".to_owned();
        other.feed(&asking("after it").sign_with_keys(&Keys::generate()).unwrap().as_json()).await;
        other.socket.flush().await.unwrap();
        next_job(&market).await;
        session.feed(&note("the truth").as_json()).await;
        session.end_of_stored().await;
    };
    let (answer, ()) = tokio::join!(answer, talk);
    let message: Vec<_> = answer.unwrap().into_iter().map(|event| event.content).collect();
    assert_eq!(message, ["the truth"]);
    assert_eq!(market.counts().queued, 1);
}

/// Goal: the size of an answer is limited. Method: more events than are read, without an end.
#[tokio::test(flavor = "multi_thread")]
async fn the_size_of_an_answer_is_limited() {
    let relay = Scripted::start().await;
    let (market, _) = market(&[&relay.url], quick()).await;
    let mut session = relay.accept().await;
    let keys = Keys::generate();
    let filter = Filter::new().author(keys.public_key());
    let relays = market.relays.all();
    let asked = market.queries.query(&relays[0], filter.clone(), DEADLINE);
    let flood = async {
        session.subscription = session.hear().await[1].as_str().unwrap().to_owned();
        for n in 0..100 {
            session
                .feed(
                    &EventBuilder::text_note(n.to_string())
                        .sign_with_keys(&keys)
                        .unwrap()
                        .as_json(),
                )
                .await;
        }
        session.socket.flush().await.unwrap();
        session
    };
    let (answer, session) = tokio::join!(asked, flood);
    assert_eq!(answer.unwrap().len(), 32);
    drop(session);
    market.close().await;
    assert_eq!(
        market.queries.query(&relays[0], filter, DEADLINE).await,
        Err(QueryError::NotConnected)
    );
}

/// Goal: a relay that loses our announcement gets it again. Method: a relay that accepts everything
/// and stores nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_announcement_is_published_again() {
    let millis = Duration::from_millis;
    let relay = Scripted::start().await;
    let options = Options { debounce: millis(10), reannounce_interval: millis(200), ..quick() };
    let (market, _) = market(&[&relay.url], options).await;
    let mut session = relay.accept().await;
    session.end_of_stored().await;
    market.announce(NodeAnnouncement {
        name: "n".into(),
        kinds: vec![5050],
        ..NodeAnnouncement::default()
    });
    let mut published = Vec::new();
    // It may be published twice, at the connection and at the first announcement.
    while published.len() < 4 * 3 {
        let frame = session.hear().await;
        let answer = match frame[0].as_str() {
            Some("REQ") => serde_json::json!(["EOSE", frame[1]]),
            Some("EVENT") if frame[1]["kind"] == HEARTBEAT_KIND => continue,
            Some("EVENT") => {
                published.push(frame[1]["id"].clone());
                serde_json::json!(["OK", frame[1]["id"], true, ""])
            }
            _ => continue,
        };
        session.say(answer).await;
    }
    assert!(published.chunks(3).all(|round| *round == published[..3]), "the same each time");
}

/// Goal: a relay that refuses the filter with every kind still sends the requests that we serve.
/// Method: it closes that subscription each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_subscription_costs_no_job() {
    let relay = Scripted::start().await;
    let (market, _) = market(&[&relay.url], quick()).await;
    let mut session = relay.accept().await;
    session.end_of_stored().await;
    assert!(market.ready(DEADLINE).await);
    for round in 0..3 {
        session.say(serde_json::json!(["CLOSED", "pylon-named", "error: too many kinds"])).await;
        let good = asking(&round.to_string()).sign_with_keys(&Keys::generate()).unwrap();
        session.feed(&good.as_json()).await;
        session.socket.flush().await.unwrap();
        assert_eq!(next_job(&market).await.id.to_hex(), good.id.to_hex());
    }
}

/// Goal: a relay that a customer names can take only limited time. Method: relays that send other
/// events without end, never answer, close at once, or are denied by the policy; and an honest one.
#[tokio::test(flavor = "multi_thread")]
async fn one_shot_connections_are_bounded() {
    let ours = InProcessRelay::start().await.unwrap();
    let (market, _) = market(&[ours.url()], quick()).await;
    assert!(market.ready(DEADLINE).await);
    let wanted = note("wanted");
    for (what, found) in [
        ("honest", Some("wanted")),
        ("chatty", None),
        ("silent", None),
        ("gone", None),
        ("forbidden", None),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let answer = match what {
            "honest" => wanted.as_json(),
            _ => note("other").as_json(),
        };
        let stranger = tokio::spawn(async move {
            let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
            if what == "gone" {
                return;
            }
            while let Some(Ok(_)) = socket.next().await {
                let times = if what == "silent" { 0 } else { 1000 };
                for _ in 0..times {
                    let frame = format!(r#"["EVENT","pylon",{answer}]"#);
                    if socket.send(Frame::text(frame)).await.is_err() {
                        return;
                    }
                }
            }
        });
        let addresses =
            EgressPolicy::new(if what == "forbidden" { &[] } else { std::slice::from_ref(&place) });
        let deadline = if what == "silent" { Duration::from_millis(200) } else { DEADLINE };
        let answer = market
            .message(id_of(&wanted), Some(&format!("ws://{place}")), &addresses, deadline)
            .await;
        assert_eq!(answer.as_deref(), found, "{what}");
        stranger.abort();
    }
}

//! Messages to relays: what they accept, refuse or do not answer.

use super::*;

/// Goal: the answers of relays give the right `SendOutcome`. Method: relays that block everything,
/// and one that is not reachable.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_final_only_if_all_relays_refuse() {
    #[derive(Debug)]
    struct BlockAll;
    impl WritePolicy for BlockAll {
        fn admit_event<'a>(
            &'a self,
            _event: &'a Event,
            _from: &'a SocketAddr,
        ) -> BoxedFuture<'a, PolicyResult> {
            Box::pin(async { PolicyResult::Reject("no".into()) })
        }
    }
    let strict =
        InProcessRelay::start_with(RelayBuilder::default().write_policy(BlockAll)).await.unwrap();
    let unreachable = "ws://127.0.0.1:9";
    for (urls, expected) in [
        (&[strict.url()][..], SendOutcome::Refused),
        (&[strict.url(), unreachable], SendOutcome::Retry),
    ] {
        let (market, _) = market(urls, quick()).await;
        assert!(market.ready(DEADLINE).await);
        let to = stranger(&market);
        let sealed =
            market.sign(&Message::Feedback { to, status: JobStatus::Processing }, now()).unwrap();
        assert_eq!(within(market.send(&sealed)).await, expected);
    }
    let (market, mut changes) = market(&[unreachable], quick()).await;
    let change = within(changes.recv()).await.unwrap();
    assert_eq!((change.connected, change.reason.as_deref()), (false, Some("cannot connect")));
    let to = stranger(&market);
    let sealed =
        market.sign(&Message::Feedback { to, status: JobStatus::Processing }, now()).unwrap();
    assert_eq!(market.send(&sealed).await, SendOutcome::Retry);
}

/// Goal: a refusal is final for the relay that refused, the others are tried on, and the words of
/// each relay are kept. Method: a relay that blocks the message, and one that defers it, accepts
/// it, or refuses it in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_final_for_that_relay_only() {
    for (last, expected) in [("", SendOutcome::Delivered), ("pow: 28 bits", SendOutcome::Refused)] {
        let (strict, other) = (Scripted::start().await, Scripted::start().await);
        let (market, _) = market(&[&strict.url, &other.url], quick()).await;
        let (mut strict_session, mut other_session) = (strict.accept().await, other.accept().await);
        strict_session.end_of_stored().await;
        other_session.end_of_stored().await;
        assert!(market.ready(DEADLINE).await);
        let sealed = market
            .sign(
                &Message::Feedback { to: stranger(&market), status: JobStatus::Processing },
                now(),
            )
            .unwrap();
        let answers = async {
            strict_session.answer_event(false, "blocked:").await;
            other_session.answer_event(false, "rate-limited: later").await;
        };
        let (sent, ()) = futures::join!(within(market.send(&sealed)), answers);
        assert_eq!(sent, SendOutcome::Retry);
        let answers = other_session.answer_event(last.is_empty(), last);
        let (sent, ()) = futures::join!(within(market.send(&sealed)), answers);
        assert_eq!(sent, expected);
        let job = stranger(&market).job;
        let refusals = [(&strict.url, "blocked"), (&other.url, last)];
        for (relay, reason) in refusals.into_iter().filter(|(_, reason)| !reason.is_empty()) {
            let refusal = RelayRefusal { job, relay: relay.clone(), reason: reason.to_owned() };
            assert_eq!(within(market.next_refusal()).await, Some(refusal));
        }
        // The next frame for the strict relay is not the message.
        market.set_kinds(vec![5050, 5100]);
        strict_session.hear_request_for(&[5050, 5100]).await;
    }
}

/// Goal: a relay that closes the connection on a large event is not sent it for ever, and later
/// answers have smaller parts. Method: a relay that does so twice, then a large result.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_hangs_up_on_an_event_is_not_sent_it_again() {
    let relay = Scripted::start().await;
    let (market, _) = market(&[&relay.url], quick()).await;
    let (mut to, origin) = (Job::placeholder(5050), String::new());
    to = Job { id: stranger(&market).job, customer: market.public_key(), origin, ..to };
    let sign = |bytes: usize| {
        let output = Output { content: "x".repeat(bytes), ..Output::default() };
        let result = Message::Result { job: &to, output: &output, due: None, guests: &[] };
        market.sign(&result, now()).unwrap()
    };
    let sealed = sign(60_000);
    assert_eq!(sealed.bytes.lines().count(), 1);
    for expected in [SendOutcome::Retry, SendOutcome::Refused] {
        let mut session = relay.accept().await;
        session.end_of_stored().await;
        assert!(market.ready(DEADLINE).await);
        let hang_up = async move { assert_eq!(session.hear().await[0], "EVENT") };
        let (sent, ()) = futures::join!(within(market.send(&sealed)), hang_up);
        assert_eq!(sent, expected);
    }
    let refusal = within(market.next_refusal()).await.unwrap();
    assert!(refusal.reason.starts_with("closed the connection 2 times"), "{}", refusal.reason);
    assert_eq!(market.send(&sealed).await, SendOutcome::Refused);
    assert_eq!(sign(60_000).bytes.lines().count(), 3 + 1, "smaller parts");
}

/// Goal: a relay has one vote, however often it answers. Method: one that refuses three times, and
/// one that does not answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_has_one_vote() {
    let (loud, quiet) = (Scripted::start().await, Scripted::start().await);
    let options = Options { send_timeout: Duration::from_secs(2), ..quick() };
    let (market, _) = market(&[&loud.url, &quiet.url], options).await;
    let (mut loud, mut quiet) = (loud.accept().await, quiet.accept().await);
    loud.end_of_stored().await;
    quiet.end_of_stored().await;
    assert!(market.ready(DEADLINE).await);
    let to = stranger(&market);
    let sealed =
        market.sign(&Message::Feedback { to, status: JobStatus::Processing }, now()).unwrap();
    let answers = async {
        let event = loud.hear().await;
        for _ in 0..3 {
            loud.say(serde_json::json!(["OK", event[1]["id"], false, "blocked: no"])).await;
        }
    };
    let (delivery, ()) = tokio::join!(within(market.send(&sealed)), answers);
    assert_eq!(delivery, SendOutcome::Retry);
    drop(quiet);
}

/// Goal: the event that lists the parts of an answer is never published before them, and a retry
/// continues where the relay stopped. Method: a relay that accepts the first part and defers the
/// second, then accepts everything.
#[tokio::test(flavor = "multi_thread")]
async fn parts_are_acknowledged_before_their_list() {
    let relay = Scripted::start().await;
    let (market, _) = market(&[&relay.url], quick()).await;
    let mut session = relay.accept().await;
    session.end_of_stored().await;
    assert!(market.ready(DEADLINE).await);
    let customer = Keys::generate();
    let asked = asked_of("much", market.public_key()).sign_with_keys(&customer).unwrap();
    session.feed(&asked.as_json()).await;
    session.end_of_stored().await;
    let job = next_job(&market).await;
    let output = Output { content: "much ".repeat(30_000), ..Output::default() };
    let sealed = market
        .sign(&Message::Result { job: &job, output: &output, due: None, guests: &[] }, now())
        .unwrap();
    let events: Vec<Event> =
        sealed.bytes.lines().map(|line| Event::from_json(line).unwrap()).collect();
    let kinds: Vec<u16> = events.iter().map(|event| event.kind.as_u16()).collect();
    assert_eq!(kinds, [nip90::PART_KIND, nip90::PART_KIND, nip90::PART_KIND, 6050]);
    assert_eq!(events[3].id.as_bytes(), sealed.id.as_bytes());

    let answer = async |session: &mut Session, expected: &Event, takes: bool| {
        let message = session.hear().await;
        assert_eq!(
            (message[0].as_str(), message[1]["id"].as_str()),
            (Some("EVENT"), Some(expected.id.to_hex().as_str()))
        );
        let message = if takes { "" } else { "rate-limited: later" };
        session.say(serde_json::json!(["OK", expected.id.to_hex(), takes, message])).await;
    };
    let hesitant = async {
        answer(&mut session, &events[0], true).await;
        answer(&mut session, &events[1], false).await;
    };
    assert_eq!(futures::join!(within(market.send(&sealed)), hesitant).0, SendOutcome::Retry);
    let willing = async {
        for event in &events[1..] {
            answer(&mut session, event, true).await;
        }
    };
    assert_eq!(futures::join!(within(market.send(&sealed)), willing).0, SendOutcome::Delivered);
    assert_eq!(market.limits(), [(relay.url.clone(), None)]);
}

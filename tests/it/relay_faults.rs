//! Faults between the real node and its relays: each job is accepted and answered once. A proxy is
//! in front of each relay; customers connect to the relays directly.

use nostr_sdk::{Client, EventBuilder, EventId, Filter, JsonUtil, Kind, Tag};
use pylon_core::event::DomainEvent;
use pylon_core::machine::{Delivery, Execution};
use pylon_core::message::SignedMessage;
use pylon_core::ports::clock::Clock as _;
use pylon_core::ports::journal::Journal as _;
use pylon_core::rows::{OutboxRow, Row};
use pylon_core::{Digest, JobId, MessageId};
use pylon_journal::{ReadOnlyJournal, SqliteJournal};
use pylon_node::clock::SystemClock;
use pylon_node::home::Home;
use pylon_nostr::market::Options;
use pylon_nostr::nip90::FEEDBACK_KIND;
use pylon_provider::NodeEvent;
use pylon_tests::market::{Customer, MarketOptions, TEST_TIMEOUT, TestMarket, text};
use pylon_tests::proxy::{Direction, FaultAction, Frame, Proxy, event_in};
use pylon_tests::stub::Script;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::protocol::frame::{Frame as RawFrame, FrameHeader};

const REQUEST: u16 = 5050;
const RESULT: u16 = 6050;

/// A node with short timeouts for relays.
async fn market(script: Script, relays: usize) -> TestMarket {
    let nostr = Options {
        retry: Duration::from_millis(100),
        send_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    TestMarket::start(MarketOptions {
        script,
        wallet: false,
        relays,
        relay_info: Some("{}"),
        nostr,
        ..MarketOptions::default()
    })
    .await
}

/// Checks that each job ran once and has one result on the relays. A later job shows that
/// everything a relay repeated has been read.
async fn answered_once(market: &TestMarket, customer: &mut Customer, jobs: &[JobId]) {
    market.stub.release();
    let last = customer.ask(vec![text("the last")]).await;
    assert_eq!(customer.result(last).await.content, "the last");
    assert_eq!(market.stub.requests(), jobs.len() + 1);
    for relay in &market.relays {
        for job in jobs {
            let found = results(relay.url(), *job).await;
            assert!(found.len() <= 1, "{job}: {found:?}");
        }
    }
    for job in jobs {
        market.wait_until(*job, |state| state.delivery == Delivery::Delivered).await;
    }
}

async fn results(relay: &str, job: JobId) -> Vec<EventId> {
    let client = Client::default();
    client.add_relay(relay).await.unwrap();
    client.try_connect(TEST_TIMEOUT).await;
    let filter =
        Filter::new().kind(Kind::from_u16(RESULT)).event(EventId::from_byte_array(*job.as_bytes()));
    let found = client.fetch_events(filter, TEST_TIMEOUT).await.unwrap();
    client.shutdown().await;
    found.into_iter().map(|event| event.id).collect()
}

/// A job that is running on the backend.
async fn at_work(market: &TestMarket, customer: &Customer) -> JobId {
    let job = customer.ask(vec![text("patience")]).await;
    market.wait_until(job, |state| state.execution == Execution::Processing).await;
    job
}

/// Goal: a connection lost between request and result only costs time. Method: disconnect while the
/// backend works, block the node until the result waits, then let it reconnect.
#[tokio::test(flavor = "multi_thread")]
async fn lost_connection_between_request_and_result_only_delays() {
    let market = market(Script::Wait, 1).await;
    let mut customer = market.customer().await;
    let job = at_work(&market, &customer).await;
    market.proxies[0].block().await;
    market.stub.release();
    market.wait_until(job, |state| state.execution == Execution::Completed).await;
    assert_eq!(market.job(job).unwrap().delivery, Delivery::Queued);
    market.proxies[0].unblock();
    assert_eq!(customer.result(job).await.content, "patience");
    answered_once(&market, &mut customer, &[job]).await;
}

/// Goal: a result whose acknowledgement is lost is sent again as the same event. Method: drop every
/// OK until the result has passed twice.
#[tokio::test(flavor = "multi_thread")]
async fn result_without_acknowledgement_is_sent_again() {
    let market = market(Script::Echo, 1).await;
    let mut customer = market.customer().await;
    let proxy = &market.proxies[0];
    let mut traffic = proxy.watch();
    proxy.rule(|way, frame| {
        if way == Direction::ToNode && frame.starts_with(r#"["OK""#) {
            FaultAction::Drop
        } else {
            FaultAction::Pass
        }
    });
    let job = customer.ask(vec![text("hello")]).await;
    let first = traffic.event(Direction::ToRelay, RESULT).await;
    let again = traffic.event(Direction::ToRelay, RESULT).await;
    assert_eq!(again.id, first.id);
    assert_eq!(
        market.job(job).unwrap().delivery,
        Delivery::Queued,
        "not there as far as the node knows"
    );
    proxy.pass_all();
    market.wait_until(job, |state| state.delivery == Delivery::Delivered).await;
    assert_eq!(customer.result(job).await.content, "hello");
    assert_eq!(results(market.relays[0].url(), job).await, [first.id]);
    answered_once(&market, &mut customer, &[job]).await;
}

/// Goal: a relay that no longer receives anything does not block delivery permanently. Method: drop
/// everything that the node sends; with one relay the connection recovers, with two the other one
/// has the result meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn relay_that_receives_nothing_delays_no_result_permanently() {
    for relays in [1, 2] {
        let market = market(Script::Wait, relays).await;
        let mut customer = market.customer().await;
        let job = at_work(&market, &customer).await;
        let proxy = &market.proxies[0];
        let mut traffic = proxy.watch();
        proxy.rule(
            |way, _| if way == Direction::ToRelay { FaultAction::Drop } else { FaultAction::Pass },
        );
        market.stub.release();
        traffic.event(Direction::ToRelay, RESULT).await;
        if relays == 1 {
            proxy.pass_all();
        }
        assert_eq!(customer.result(job).await.content, "patience", "{relays} relays");
        market.wait_until(job, |state| state.delivery == Delivery::Delivered).await;
        proxy.pass_all();
        answered_once(&market, &mut customer, &[job]).await;
    }
}

/// Counts how often the events of these kinds pass a proxy to its relay, by id.
fn count_sent(proxy: &Proxy, kinds: &'static [u16]) -> watch::Receiver<HashMap<EventId, u32>> {
    let (counted, counts) = watch::channel(HashMap::new());
    proxy.rule(move |way, frame| {
        let sent = event_in(frame).filter(|event| kinds.contains(&event.kind.as_u16()));
        if let (Direction::ToRelay, Some(event)) = (way, sent) {
            counted.send_modify(|counts| *counts.entry(event.id).or_default() += 1);
        }
        FaultAction::Pass
    });
    counts
}

/// Goal: a message that a relay has acknowledged is not sent to it again, however many there are.
/// Method: more messages in the journal at the start than are read at once, which are sent while
/// their acknowledgements are recorded.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_messages_are_not_sent_again() {
    const MESSAGES: usize = 5000;
    let mut market = market(Script::Echo, 1).await;
    market.stop_node(TEST_TIMEOUT).await;
    let journal = SqliteJournal::open(&Home::at(market.folder.path()).database()).unwrap();
    let rows = (0..MESSAGES).map(|number| {
        let job = Digest::of(&number.to_le_bytes());
        let event = EventBuilder::new(Kind::JobFeedback, "")
            .tag(Tag::event(EventId::from_byte_array(*job.as_bytes())))
            .sign_with_keys(market.keys())
            .unwrap();
        let id = MessageId::from_bytes(event.id.to_bytes());
        let message = SignedMessage { id, bytes: event.as_json() };
        let expires_at = SystemClock.now().plus(3600);
        let job = JobId::from_bytes(*job.as_bytes());
        Row::Send(OutboxRow { job, result: false, message, expires_at })
    });
    journal.commit(rows.collect()).await.unwrap();
    drop(journal);
    let mut counts = count_sent(&market.proxies[0], &[FEEDBACK_KIND]);
    market.start_node().await;
    let all = counts.wait_for(|counts| counts.len() == MESSAGES);
    tokio::time::timeout(TEST_TIMEOUT, all).await.expect("all are sent").unwrap();
    let mut customer = market.customer().await;
    answered_once(&market, &mut customer, &[]).await;
    let again = counts.borrow().values().filter(|count| **count > 1).count();
    assert_eq!(again, 0, "of {MESSAGES}");
}

/// Goal: a relay that was away gets each message once. Method: a relay that is away and another one
/// that does not answer, until the result was sent to that one twice.
#[tokio::test(flavor = "multi_thread")]
async fn relay_that_was_away_gets_each_message_once() {
    let market = market(Script::Wait, 2).await;
    let mut customer = market.customer_on(&market.relays[1..]).await;
    let job = at_work(&market, &customer).await;
    let [away, silent] = &market.proxies[..] else { panic!("two relays") };
    let counts = count_sent(away, &[RESULT]);
    away.block().await;
    let mut traffic = silent.watch();
    silent.rule(|way, frame| {
        if way == Direction::ToNode && frame.starts_with(r#"["OK""#) {
            FaultAction::Drop
        } else {
            FaultAction::Pass
        }
    });
    market.stub.release();
    for _ in 0..2 {
        traffic.event(Direction::ToRelay, RESULT).await;
    }
    away.unblock();
    market.wait_until(job, |state| state.delivery == Delivery::Delivered).await;
    silent.pass_all();
    assert_eq!(customer.result(job).await.content, "patience");
    answered_once(&market, &mut customer, &[job]).await;
    assert!(counts.borrow().values().all(|count| *count == 1), "{:?}", counts.borrow());
}

/// Goal: why a relay refuses the messages of a job is kept with the job. Method: a relay that
/// blocks results, and the journal as `jobs show` reads it.
#[tokio::test(flavor = "multi_thread")]
async fn refusal_of_a_relay_is_kept_with_the_job() {
    let market = TestMarket::start(MarketOptions {
        wallet: false,
        rejected_kind: Some(RESULT),
        ..MarketOptions::default()
    })
    .await;
    let customer = market.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    market.wait_until(job, |state| state.delivery == Delivery::Failed).await;
    let journal = ReadOnlyJournal::open(&Home::at(market.folder.path()).database()).unwrap();
    let recorded = tokio::time::timeout(TEST_TIMEOUT, async {
        loop {
            let refusals = journal.relay_refusals(job).unwrap();
            if let [(refusal, _)] = &refusals[..] {
                return refusal.clone();
            }
            // It is committed after the state of the job.
            tokio::task::yield_now().await;
        }
    });
    let refusal = recorded.await.expect("a refusal");
    assert_eq!(refusal.relay, market.relays[0].url());
    assert_eq!(refusal.reason, "blocked: rate-limited: later");
}

/// Goal: one event is one job, in any order and however often it arrives. Method: four requests,
/// each twice, in reversed pairs, and late.
#[tokio::test(flavor = "multi_thread")]
async fn duplicated_and_reordered_requests_are_one_job_each() {
    for fate in [
        FaultAction::Duplicate,
        FaultAction::Reorder,
        FaultAction::Delay(Duration::from_millis(50)),
    ] {
        let market = market(Script::Echo, 2).await;
        let mut customer = market.customer().await;
        for proxy in &market.proxies {
            proxy.rule(move |way, frame| {
                let is_request = way == Direction::ToNode
                    && event_in(frame).is_some_and(|event| event.kind.as_u16() == REQUEST);
                if is_request { fate } else { FaultAction::Pass }
            });
        }
        let mut jobs = Vec::new();
        for number in 0..4 {
            jobs.push(customer.ask(vec![text(&number.to_string())]).await);
        }
        for (job, number) in jobs.iter().zip(0..) {
            assert_eq!(customer.result(*job).await.content, number.to_string(), "{fate:?}");
        }
        market.proxies.iter().for_each(|proxy| proxy.pass_all());
        answered_once(&market, &mut customer, &jobs).await;
    }
}

/// Goal: nothing that a relay sends stops the node or its connection permanently. Method: one
/// malformed frame of each sort, and a job after each.
#[tokio::test(flavor = "multi_thread")]
async fn malformed_frames_do_not_stop_the_node() {
    let market = market(Script::Echo, 1).await;
    let mut customer = market.customer().await;
    let hex = "ab".repeat(32);
    let event = format!(
        r#"{{"id":"{hex}","pubkey":"{hex}","created_at":1,"kind":5050,"tags":[],"content":"","sig":"{hex}{hex}"}}"#
    );
    let large =
        event.replace(r#""content":"""#, &format!(r#""content":"{}""#, "x".repeat(1 << 20)));
    let reserved = FrameHeader { rsv1: true, ..FrameHeader::default() };
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let mut seen = market.bus.listen();
    let frames = [
        ("nothing", Frame::text("")),
        ("no JSON", Frame::text("hello")),
        ("half of JSON", Frame::text(r#"["EVENT","pylon",{"id":"#)),
        ("no array", Frame::text("{}")),
        ("an empty array", Frame::text("[]")),
        ("an unknown word", Frame::text(r#"["HELLO",1,2,3]"#)),
        ("wrong types", Frame::text(r#"["OK",7,"yes",[]]"#)),
        ("an answer to nothing", Frame::text(format!(r#"["OK","{hex}",true,""]"#))),
        ("EOSE of an unknown subscription", Frame::text(r#"["EOSE","unknown"]"#)),
        ("CLOSED of an unknown subscription", Frame::text(r#"["CLOSED","unknown","error: x"]"#)),
        ("a forged event", Frame::text(format!(r#"["EVENT","pylon",{event}]"#))),
        (
            "event of an unknown subscription",
            Frame::text(format!(r#"["EVENT","unknown",{event}]"#)),
        ),
        ("deep JSON", Frame::text(deep)),
        ("more than a message may have", Frame::text(format!(r#"["EVENT","pylon",{large}]"#))),
        ("bytes", Frame::binary(vec![0xff_u8; 1000])),
        (
            "a notice without an end",
            Frame::text(format!(r#"["NOTICE","{}"]"#, "x".repeat(1 << 20))),
        ),
        // This closes the connection, which is then opened again.
        ("no WebSocket", Frame::Frame(RawFrame::from_payload(reserved, vec![1, 2, 3].into()))),
    ];
    for (what, frame) in frames {
        market.proxies[0].inject(Direction::ToNode, frame).await;
        let job = customer.ask(vec![text(what)]).await;
        assert_eq!(customer.result(job).await.content, what);
    }
    let lost = tokio::time::timeout(TEST_TIMEOUT, async {
        while !matches!(
            seen.recv().await.unwrap(),
            NodeEvent::Domain(DomainEvent::RelayDisconnected { .. })
        ) {}
    });
    lost.await.expect("the last one costs the connection");
}

/// Goal: requests that were published while the node was disconnected are processed, once. Method:
/// requests while it is blocked, and while all incoming frames are dropped before that; one request
/// earlier.
#[tokio::test(flavor = "multi_thread")]
async fn requests_missed_while_disconnected_are_picked_up_once() {
    for kept_out in [true, false] {
        let market = market(Script::Echo, 1).await;
        let mut customer = market.customer().await;
        let proxy = &market.proxies[0];
        let mut jobs = vec![customer.ask(vec![text("before")]).await];
        assert_eq!(customer.result(jobs[0]).await.content, "before");
        if kept_out {
            proxy.block().await;
        } else {
            proxy.rule(|way, _| {
                if way == Direction::ToNode { FaultAction::Drop } else { FaultAction::Pass }
            });
        }
        for words in ["one", "two"] {
            jobs.push(customer.ask(vec![text(words)]).await);
        }
        assert_eq!(market.stub.requests(), 1, "the request did not arrive");
        proxy.pass_all();
        if kept_out {
            proxy.unblock();
        } else {
            proxy.disconnect();
        }
        assert_eq!(customer.result(jobs[1]).await.content, "one");
        assert_eq!(customer.result(jobs[2]).await.content, "two");
        answered_once(&market, &mut customer, &jobs).await;
    }
}

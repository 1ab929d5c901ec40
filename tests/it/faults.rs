//! What goes wrong between the real node and its relays: every job is taken once and answered once, however its link behaves. A proxy stands in
//! front of each relay; customers talk to the relays themselves.

use nostr_sdk::{Client, EventId, Filter, Kind};
use pylon_core::JobId;
use pylon_core::event::DomainEvent;
use pylon_core::machine::{Delivery, Execution};
use pylon_nostr::market::Options;
use pylon_provider::Observation;
use pylon_tests::proxy::{Fate, Frame, Way, event_in};
use pylon_tests::stage::{Customer, PATIENCE, Set, Stage, text};
use pylon_tests::stub::Script;
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::frame::{Frame as RawFrame, FrameHeader};

const REQUEST: u16 = 5050;
const RESULT: u16 = 6050;

/// A node that does not wait long for relays.
async fn stage(script: Script, relays: usize) -> Stage {
    let market = Options {
        retry: Duration::from_millis(100),
        send_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    Stage::set(Set { script, wallet: false, relays, proxied: Some("{}"), market, ..Set::default() })
        .await
}

/// Each of these was worked on once, and the relays have one result of each. A job after them shows that whatever a relay repeated has been read.
async fn answered_once(stage: &Stage, customer: &mut Customer, jobs: &[JobId]) {
    stage.stub.release();
    let last = customer.ask(vec![text("the last")]).await;
    assert_eq!(customer.result(last).await.content, "the last");
    assert_eq!(stage.stub.asked(), jobs.len() + 1);
    for relay in &stage.relays {
        for job in jobs {
            let found = results(relay.url(), *job).await;
            assert!(found.len() <= 1, "{job}: {found:?}");
        }
    }
    for job in jobs {
        stage.until(*job, |state| state.delivery == Delivery::Delivered).await;
    }
}

async fn results(relay: &str, job: JobId) -> Vec<EventId> {
    let client = Client::default();
    client.add_relay(relay).await.unwrap();
    client.try_connect(PATIENCE).await;
    let filter =
        Filter::new().kind(Kind::from_u16(RESULT)).event(EventId::from_byte_array(*job.as_bytes()));
    let found = client.fetch_events(filter, PATIENCE).await.unwrap();
    client.shutdown().await;
    found.into_iter().map(|event| event.id).collect()
}

/// A job that its backend works on.
async fn at_work(stage: &Stage, customer: &Customer) -> JobId {
    let job = customer.ask(vec![text("patience")]).await;
    stage.until(job, |state| state.execution == Execution::Processing).await;
    job
}

/// Goal: a link that is lost between request and result costs time and nothing else. Method: cut it while the backend works, keep the node out until
/// the result waits, let it back.
#[tokio::test(flavor = "multi_thread")]
async fn cut_between_request_and_result() {
    let stage = stage(Script::Wait, 1).await;
    let mut customer = stage.customer().await;
    let job = at_work(&stage, &customer).await;
    stage.proxies[0].cut_off().await;
    stage.stub.release();
    stage.until(job, |state| state.execution == Execution::Completed).await;
    assert_eq!(stage.job(job).unwrap().delivery, Delivery::Queued);
    stage.proxies[0].let_back();
    assert_eq!(customer.result(job).await.content, "patience");
    answered_once(&stage, &mut customer, &[job]).await;
}

/// Goal: a result whose acknowledgement is lost is sent again, and is the same event. Method: lose every OK until the result has passed twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement() {
    let stage = stage(Script::Echo, 1).await;
    let mut customer = stage.customer().await;
    let proxy = &stage.proxies[0];
    let mut traffic = proxy.watch();
    proxy.rule(|way, frame| {
        if way == Way::In && frame.starts_with(r#"["OK""#) { Fate::Lose } else { Fate::Pass }
    });
    let job = customer.ask(vec![text("hello")]).await;
    let first = traffic.event(Way::Out, RESULT).await;
    let again = traffic.event(Way::Out, RESULT).await;
    assert_eq!(again.id, first.id);
    assert_eq!(
        stage.job(job).unwrap().delivery,
        Delivery::Queued,
        "not there as far as the node knows"
    );
    proxy.heal();
    stage.until(job, |state| state.delivery == Delivery::Delivered).await;
    assert_eq!(customer.result(job).await.content, "hello");
    assert_eq!(results(stage.relays[0].url(), job).await, [first.id]);
    answered_once(&stage, &mut customer, &[job]).await;
}

/// Goal: a relay that hears nothing any more holds up nothing for good. Method: lose all that the node sends; with one relay the link recovers, with
/// two the other one has the result meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_hears_nothing() {
    for relays in [1, 2] {
        let stage = stage(Script::Wait, relays).await;
        let mut customer = stage.customer().await;
        let job = at_work(&stage, &customer).await;
        let proxy = &stage.proxies[0];
        let mut traffic = proxy.watch();
        proxy.rule(|way, _| if way == Way::Out { Fate::Lose } else { Fate::Pass });
        stage.stub.release();
        traffic.event(Way::Out, RESULT).await;
        if relays == 1 {
            proxy.heal();
        }
        assert_eq!(customer.result(job).await.content, "patience", "{relays} relays");
        stage.until(job, |state| state.delivery == Delivery::Delivered).await;
        proxy.heal();
        answered_once(&stage, &mut customer, &[job]).await;
    }
}

/// Goal: one event is one job, in whatever order and however often it comes. Method: four requests twice, in pairs the wrong way round, and late.
#[tokio::test(flavor = "multi_thread")]
async fn requests_twice_and_out_of_order() {
    for fate in [Fate::Twice, Fate::AfterNext, Fate::Late(Duration::from_millis(50))] {
        let stage = stage(Script::Echo, 2).await;
        let mut customer = stage.customer().await;
        for proxy in &stage.proxies {
            proxy.rule(move |way, frame| {
                let is_request = way == Way::In
                    && event_in(frame).is_some_and(|event| event.kind.as_u16() == REQUEST);
                if is_request { fate } else { Fate::Pass }
            });
        }
        let mut jobs = Vec::new();
        for number in 0..4 {
            jobs.push(customer.ask(vec![text(&number.to_string())]).await);
        }
        for (job, number) in jobs.iter().zip(0..) {
            assert_eq!(customer.result(*job).await.content, number.to_string(), "{fate:?}");
        }
        stage.proxies.iter().for_each(|proxy| proxy.heal());
        answered_once(&stage, &mut customer, &jobs).await;
    }
}

/// Goal: nothing that a relay sends stops the node or its link for good. Method: a frame of each sort that means nothing, and a job after each.
#[tokio::test(flavor = "multi_thread")]
async fn frames_that_mean_nothing() {
    let stage = stage(Script::Echo, 1).await;
    let mut customer = stage.customer().await;
    let hex = "ab".repeat(32);
    let event = format!(
        r#"{{"id":"{hex}","pubkey":"{hex}","created_at":1,"kind":5050,"tags":[],"content":"","sig":"{hex}{hex}"}}"#
    );
    let large =
        event.replace(r#""content":"""#, &format!(r#""content":"{}""#, "x".repeat(1 << 20)));
    let reserved = FrameHeader { rsv1: true, ..FrameHeader::default() };
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let mut seen = stage.bus.listen();
    let frames = [
        ("nothing", Frame::text("")),
        ("no JSON", Frame::text("hello")),
        ("half of JSON", Frame::text(r#"["EVENT","pylon",{"id":"#)),
        ("no array", Frame::text("{}")),
        ("an empty array", Frame::text("[]")),
        ("an unknown word", Frame::text(r#"["HELLO",1,2,3]"#)),
        ("wrong types", Frame::text(r#"["OK",7,"yes",[]]"#)),
        ("an answer to nothing", Frame::text(format!(r#"["OK","{hex}",true,""]"#))),
        ("the end of nothing", Frame::text(r#"["EOSE","nobody asked"]"#)),
        ("a refusal of nothing", Frame::text(r#"["CLOSED","nobody asked","error: x"]"#)),
        ("a forged event", Frame::text(format!(r#"["EVENT","pylon",{event}]"#))),
        ("an event for nobody", Frame::text(format!(r#"["EVENT","nobody asked",{event}]"#))),
        ("deep JSON", Frame::text(deep)),
        ("more than a message may have", Frame::text(format!(r#"["EVENT","pylon",{large}]"#))),
        ("bytes", Frame::binary(vec![0xff_u8; 1000])),
        (
            "a notice without an end",
            Frame::text(format!(r#"["NOTICE","{}"]"#, "x".repeat(1 << 20))),
        ),
        // The link is lost by this, and comes back.
        ("no WebSocket", Frame::Frame(RawFrame::from_payload(reserved, vec![1, 2, 3].into()))),
    ];
    for (what, frame) in frames {
        stage.proxies[0].inject(Way::In, frame).await;
        let job = customer.ask(vec![text(what)]).await;
        assert_eq!(customer.result(job).await.content, what);
    }
    let lost = tokio::time::timeout(PATIENCE, async {
        while !matches!(
            seen.recv().await.unwrap(),
            Observation::Event(DomainEvent::RelayDisconnected { .. })
        ) {}
    });
    lost.await.expect("the last one costs the connection");
}

/// Goal: what was asked for while the node could not hear it is picked up, and nothing is done twice. Method: requests while it is kept out, and while
/// all that comes in is lost before the link is; one before that.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_the_node_could_not_hear() {
    for kept_out in [true, false] {
        let stage = stage(Script::Echo, 1).await;
        let mut customer = stage.customer().await;
        let proxy = &stage.proxies[0];
        let mut jobs = vec![customer.ask(vec![text("before")]).await];
        assert_eq!(customer.result(jobs[0]).await.content, "before");
        if kept_out {
            proxy.cut_off().await;
        } else {
            proxy.rule(|way, _| if way == Way::In { Fate::Lose } else { Fate::Pass });
        }
        for words in ["one", "two"] {
            jobs.push(customer.ask(vec![text(words)]).await);
        }
        assert_eq!(stage.stub.asked(), 1, "not heard");
        proxy.heal();
        if kept_out {
            proxy.let_back();
        } else {
            proxy.cut();
        }
        assert_eq!(customer.result(jobs[1]).await.content, "one");
        assert_eq!(customer.result(jobs[2]).await.content, "two");
        answered_once(&stage, &mut customer, &jobs).await;
    }
}

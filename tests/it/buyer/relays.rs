//! Relays that are dead, mute or refuse.

use super::TestBuyer;
use nostr_relay_builder::builder::{PolicyResult, QueryPolicy, RelayBuilder};
use nostr_sdk::Filter;
use nostr_sdk::util::BoxedFuture;
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::market::MarketOptions;
use pylon_tests::stub::Script;
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};

/// Goal: a relay that refuses queries is not reported as silent providers, and one unreadable
/// request file hides no other. Method: each command against a relay that refuses every query; then
/// a file that is not a request, and a cancelled request of maximum size.
#[tokio::test(flavor = "multi_thread")]
async fn unreachable_relays_and_unreadable_requests_are_reported() {
    let buyer =
        TestBuyer::new(MarketOptions { script: Script::Wait, ..MarketOptions::default() }).await;
    let builder = RelayBuilder::default().query_policy(Closed);
    let relay = InProcessRelay::start_with(builder).await.unwrap();
    let job = buyer.print(&["submit", "hello", "--relay", relay.url()]).await.trim().to_owned();
    for args in [["status", &job], ["results", &job]] {
        let output = buyer.job(&args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
        assert!(
            said.contains("no relay has answered")
                && said.contains(relay.url())
                && said.contains("shut"),
            "{said}"
        );
    }
    let both = ["submit", "hello", "--relay", relay.url(), "--relay", buyer.market.relays[0].url()];
    let other = buyer.print(&both).await.trim().to_owned();
    let output = buyer.job(&["status", &other]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.lines().count() == 1 && said.contains(relay.url()),
        "{said}"
    );

    let folder = buyer.home.path().join(".openagents/pylon/sent_requests");
    std::fs::write(folder.join("none.json"), "{").unwrap();
    let file = folder.join(format!("{job}.json"));
    let mut sent: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    sent["relays"][0] = "x".repeat((1 << 20) - 1).into();
    std::fs::write(&file, sent.to_string()).unwrap();
    let output = buyer.job(&["list", "--json"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    assert!(said.lines().count() == 1 && said.contains("sent_requests/none.json"), "{said}");

    let long = format!("long={}", "x".repeat(110_000));
    let params = std::iter::repeat_n(["--param", &long], 10).flatten();
    let output =
        buyer.job(&["submit", "hello"].into_iter().chain(params).collect::<Vec<_>>()).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && said.contains("at most 1048576 are allowed"),
        "{said}"
    );
}

/// Rejects every query.
#[derive(Debug)]
struct Closed;

impl QueryPolicy for Closed {
    fn admit_query<'a>(
        &'a self,
        _: &'a Filter,
        _: &'a SocketAddr,
    ) -> BoxedFuture<'a, PolicyResult> {
        Box::pin(async { PolicyResult::Reject("shut".into()) })
    }
}

/// Goal: a dead relay and one that says nothing delay no command beyond its timeout, and are named.
/// Method: submit, wait, results and status with both and a good relay; then without the good one.
#[tokio::test(flavor = "multi_thread")]
async fn dead_and_mute_relays_delay_nothing() {
    let buyer = TestBuyer::new(MarketOptions::default()).await;
    // It accepts connections into the queue of the system, and never reads.
    let silence = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("ws://{}", silence.local_addr().unwrap());
    let (dead, good) = ("ws://127.0.0.1:9", buyer.market.relays[0].url());
    let relays = ["--relay", &mute, "--relay", dead, "--relay", good];
    // Less than the timeout of one connection, which comes before that of an accepted event.
    let timeout = ["--timeout", "9"];
    let provider = buyer.market.provider().to_hex();
    let to = ["submit", "hello", "--provider", &provider];
    let answer = buyer.print(&[&to[..], &relays, &timeout, &["--wait"]].concat()).await;
    assert!(answer.starts_with("hello\n"), "{answer}");
    let output = buyer.job(&[&to[..], &relays, &timeout].concat()).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let job = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    for relay in [&mute, dead] {
        let line = format!("the relay {relay} has not accepted the event");
        assert!(output.status.success() && said.contains(&line), "{relay}: {said}");
    }
    let output = buyer.job(&["status", &job]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains(&mute) && said.contains(dead), "{said}");

    let output = buyer.job(&["submit", "x", "--relay", &mute, "--timeout", "2", "--wait"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], format!("Connecting to {mute}"), "{said}");
    assert!(lines[1].contains("within 2 s; nothing was sent"), "{said}");
}

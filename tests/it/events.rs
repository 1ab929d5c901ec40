//! The thirteen domain events, each with exactly its fields, and logs with everything but secrets.

use pylon_core::machine::{Delivery, Execution, Settlement};
use pylon_nostr::identity::keys;
use pylon_provider::NodeEvent;
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT, TestMarket, text};
use pylon_tests::program::{PHRASE, Program, started};
use pylon_tests::stub::{MODEL, Script};
use serde_json::{Value, json};
use std::io::Read;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;

/// As in the provider document.
const FIELDS: [(&str, &[&str]); 13] = [
    ("JobReceived", &["job_id", "kind", "customer_pubkey"]),
    ("JobStarted", &["job_id", "model"]),
    ("JobProgress", &["job_id", "progress"]),
    ("JobCompleted", &["job_id", "amount_msats", "duration_ms"]),
    ("JobFailed", &["job_id", "error"]),
    ("PaymentReceived", &["job_id", "amount_msats"]),
    ("InvoiceCreated", &["job_id", "bolt11", "amount_msats"]),
    ("RelayConnected", &["url"]),
    ("RelayDisconnected", &["url", "reason"]),
    ("BackendAvailable", &["backend_id"]),
    ("BackendUnavailable", &["backend_id"]),
    ("BackendsRegistered", &["backend_ids"]),
    ("ModelsRefreshed", &["backend_id", "models"]),
];

/// Waits for this event, and checks its fields.
async fn next(seen: &mut Receiver<NodeEvent>, name: &str) -> Value {
    let found = async {
        loop {
            let NodeEvent::Domain(event) = seen.recv().await.unwrap() else { continue };
            let event = serde_json::to_value(&event).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    };
    let event =
        tokio::time::timeout(TEST_TIMEOUT, found).await.unwrap_or_else(|_| panic!("no {name}"));
    let mut fields: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = FIELDS.iter().find(|(known, _)| *known == name).unwrap().1.to_vec();
    expected.extend(["event", "timestamp"]);
    fields.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fields, expected, "{event}");
    assert!(event["timestamp"].as_u64().unwrap() > 1_700_000_000);
    event
}

/// Goal: each event is emitted. Method: a node that starts, works, is paid, fails and loses backend
/// and relay.
#[tokio::test(flavor = "multi_thread")]
async fn all_thirteen_events_are_emitted() {
    let mut market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        relays: 2,
        ..MarketOptions::default()
    })
    .await;
    market.stop_node(Duration::ZERO).await;
    let seen = || market.bus.listen();
    let (mut one, mut two, mut three, mut four) = (seen(), seen(), seen(), seen());
    market.start_node().await;
    assert_eq!(next(&mut one, "BackendsRegistered").await["backend_ids"], json!(["llama_cpp"]));
    assert_eq!(next(&mut two, "BackendAvailable").await["backend_id"], "llama_cpp");
    assert_eq!(next(&mut three, "ModelsRefreshed").await["models"], json!([MODEL]));
    let connected = next(&mut four, "RelayConnected").await;
    assert!(market.relays.iter().any(|relay| connected["url"] == relay.url()), "{connected}");

    let customer = market.customer().await;
    let mut seen = market.bus.listen();
    let job = customer
        .ask(vec![text("a text that is long enough for a part of it to be worth telling")])
        .await;
    let received = next(&mut seen, "JobReceived").await;
    assert_eq!((&received["job_id"], &received["kind"]), (&json!(job.to_hex()), &json!(5050)));
    assert_eq!(next(&mut seen, "JobStarted").await["model"], MODEL);
    // Partial output is only reported of jobs that take some time; it is the only optional event
    // here.
    assert!(
        tokio::time::timeout(Duration::from_millis(200), next(&mut seen, "JobCompleted"))
            .await
            .is_err()
    );
    // So the relay that is removed now has no message in flight.
    let relay = market.relays.remove(1);
    let url = relay.url().to_owned();
    drop(relay);
    assert_eq!(next(&mut seen, "RelayDisconnected").await["url"], url);
    let mut money = market.bus.listen();
    market.stub.release();
    let progress = next(&mut seen, "JobProgress").await["progress"].as_f64().unwrap();
    assert!(progress > 0.0 && progress < 1.0, "{progress}");
    let completed = next(&mut seen, "JobCompleted").await;
    assert_eq!(
        (&completed["job_id"], completed["amount_msats"].is_u64()),
        (&json!(job.to_hex()), true)
    );
    let invoice = next(&mut money, "InvoiceCreated").await;
    market.wait_until(job, |state| state.delivery == Delivery::Delivered).await;
    market.bank.pay(invoice["bolt11"].as_str().unwrap()).unwrap();
    assert_eq!(next(&mut money, "PaymentReceived").await["amount_msats"], invoice["amount_msats"]);
    market.wait_until(job, |state| state.settlement == Settlement::Paid).await;

    market.stub.fail();
    let mut lost = market.bus.listen();
    let job = customer.ask(vec![text("no backend")]).await;
    assert_eq!(next(&mut seen, "JobFailed").await["error"], "no backend");
    market.wait_until(job, |state| state.execution == Execution::Failed).await;
    assert_eq!(next(&mut lost, "BackendUnavailable").await["backend_id"], "llama_cpp");
}

/// Goal: the most verbose log has every market message and no secret. Method: a whole run at that
/// level, read byte by byte.
#[tokio::test(flavor = "multi_thread")]
async fn trace_log_has_every_message_and_no_secret() {
    let program = Program::new(Script::Echo).await;
    let started =
        tokio::task::block_in_place(|| started(program.home(), Some("pylon=debug,compute=trace")));
    let (mut node, mut rest, mut log) = started;
    let mut customer = program.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    customer.result(job).await;
    program.print(&["reload"]);
    program.run(&["doctor"]);
    node.terminate();
    tokio::task::block_in_place(|| rest.read_to_string(&mut log)).unwrap();
    assert!(node.0.wait().unwrap().success());
    for (what, kind, status) in
        [("in", 5050, "request"), ("out", 7000, "processing"), ("out", 6050, "result")]
    {
        let words = [
            " compute: ",
            what,
            &format!("kind={kind} id="),
            &format!("job=\"{job}\""),
            &format!("status=\"{status}\""),
        ];
        assert!(
            log.lines().any(|line| words.iter().all(|word| line.contains(word))),
            "{what} {kind}: {log}"
        );
    }
    for name in
        ["JobReceived", "JobStarted", "JobCompleted", "RelayConnected", "BackendsRegistered"]
    {
        assert!(
            log.lines().any(|line| line.contains("INFO") && line.contains(name)),
            "{name}: {log}"
        );
    }
    let own = keys(PHRASE).unwrap();
    let hex = own.secret_key().to_secret_hex();
    assert!(
        !log.contains(&hex) && !log.contains("nsec1") && !log.contains(&hex.to_uppercase()),
        "the key"
    );
    let words: Vec<_> = log.split(|c: char| !c.is_ascii_alphabetic()).collect();
    for word in PHRASE.split(' ') {
        assert!(!words.contains(&word), "`{word}` of the phrase");
    }
}

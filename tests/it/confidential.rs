//! Confidential jobs through the real node: only the customer can read them, and no file or log has
//! their text.

use nostr_sdk::nips::nip04;
use nostr_sdk::{Event, EventBuilder, Filter, Keys, Kind, Tag};
use pylon_core::machine::{Delivery, Execution};
use pylon_nostr::buyer::{Buyer, ProviderMessage, Request};
use pylon_nostr::identity;
use pylon_nostr::nip90::{Encryption, RequestTag, parse_feedback, parse_result};
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT, TestMarket, bid, param, text};
use pylon_tests::process::{Running, command, run};
use pylon_tests::stub::{Script, Stub};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const CANARY: &str = "canary-93c1";

/// All events on the relay.
async fn published(market: &TestMarket) -> Vec<Event> {
    let client = nostr_sdk::Client::default();
    client.add_relay(market.relays[0].url()).await.unwrap();
    client.connect().await;
    let filter = Filter::new().kinds((5000..=7000).map(Kind::from_u16));
    let events = client.fetch_events(filter, TEST_TIMEOUT).await.unwrap();
    client.disconnect().await;
    events.into_iter().collect()
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Is the text in any file of the node's home?
fn home_has(market: &TestMarket, text: &str) -> bool {
    let (mut open, mut found) = (vec![market.folder.path().to_owned()], false);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => open.push(entry.path()),
                kind if kind.is_file() => {
                    found |= has(&std::fs::read(entry.path()).unwrap_or_default(), text)
                }
                _ => {}
            }
        }
    }
    found
}

/// Goal: a NIP-44 job is answered with NIP-44, and only the customer can read any of it. Method:
/// our buyer's encrypted request, all feedback and the result; then every event on the relay,
/// searched, and opened with another key.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_customer_can_read_the_answer() {
    let market = TestMarket::start(MarketOptions::default()).await;
    let mut customer = market.customer().await;
    let words = format!("{CANARY} ").repeat(40);
    let tags = vec![text(&words), param("max_tokens", "64"), bid(50_000), RequestTag::Encrypted];
    let job = customer.ask(tags).await;
    let result = customer.result(job).await;
    assert!(result.encrypted && result.content.contains(CANARY), "{}", result.content);
    assert!(
        result.attributes.iter().any(|fact| fact.name == "model" && fact.value == "stub-model")
    );
    assert!(result.due.is_some() && !result.guests.is_empty());
    let state = market.wait_until(job, |state| state.delivery == Delivery::Delivered).await;
    assert!(state.job.confidential);

    let stranger = Keys::generate();
    let events = published(&market).await;
    assert!(events.iter().any(|event| event.kind.as_u16() == 6050));
    for event in &events {
        let json = serde_json::to_string(event).unwrap();
        assert!(!json.contains(CANARY) && !json.contains("stub-model"), "{json}");
        let feedback = parse_feedback(event)
            .is_some_and(|said| said.encrypted && said.decrypt(&stranger).is_ok());
        let result = parse_result(event).is_some_and(|said| said.decrypt(&stranger).is_ok());
        assert!(!feedback && !result, "{json}");
    }
    let bolt11 = result.due.and_then(|(_, bolt11)| bolt11).unwrap();
    market.bank.pay(&bolt11).unwrap();
    market.wait_until(job, |state| state.is_closed()).await;
}

/// Goal: a NIP-04 request is answered with NIP-04. Method: a request as other clients write it,
/// valid and invalid.
#[tokio::test(flavor = "multi_thread")]
async fn nip04_requests_are_answered_with_nip04() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let keys = Keys::generate();
    let mut buyer = Buyer::connect(keys.clone(), &market.config.market.relays).await.unwrap();
    let provider = nostr_sdk::PublicKey::from_byte_array(*market.provider().as_bytes());
    for (hidden, answer) in [
        (r#"[["i","old canary","text"]]"#, "old canary"),
        (r#"[["i","x"],["bid","canary"]]"#, "bid `canary`"),
    ] {
        let content = nip04::encrypt(keys.secret_key(), &provider, hidden).unwrap();
        let tags = [Tag::public_key(provider), Tag::parse(["encrypted"]).unwrap()];
        submit(&buyer, EventBuilder::new(Kind::from_u16(5050), content).tags(tags), &keys).await;
        let said = async {
            loop {
                match buyer.next().await.unwrap() {
                    ProviderMessage::Result(result) => return result.content,
                    ProviderMessage::Feedback(feedback) if feedback.status.as_str() == "error" => {
                        return feedback.message;
                    }
                    ProviderMessage::Feedback(_) => {}
                    ProviderMessage::Unreadable { why, .. } => panic!("{why}"),
                }
            }
        };
        let said = tokio::time::timeout(TEST_TIMEOUT, said).await.unwrap();
        assert!(said.contains(answer), "{said}");
    }
    for event in published(&market).await {
        let json = serde_json::to_string(&event).unwrap();
        assert!(!json.contains("canary"), "{json}");
        assert!(
            event.content.is_empty() || Encryption::of(&event.content) == Encryption::Nip04,
            "{json}"
        );
    }
}

/// Goal: a request encrypted to another key is refused in one clear line. Method: the same request,
/// encrypted for another provider and sent to ours.
#[tokio::test(flavor = "multi_thread")]
async fn request_encrypted_for_another_key_is_refused() {
    let market = TestMarket::start(MarketOptions::default()).await;
    let keys = Keys::generate();
    let mut buyer = Buyer::connect(keys.clone(), &market.config.market.relays).await.unwrap();
    let provider = nostr_sdk::PublicKey::from_byte_array(*market.provider().as_bytes());
    let content =
        nip04::encrypt(keys.secret_key(), &Keys::generate().public_key(), r#"[["i","x"]]"#)
            .unwrap();
    let tags = [Tag::public_key(provider), Tag::parse(["encrypted"]).unwrap()];
    submit(&buyer, EventBuilder::new(Kind::from_u16(5050), content).tags(tags), &keys).await;
    let message = tokio::time::timeout(TEST_TIMEOUT, buyer.next()).await.unwrap().unwrap();
    let ProviderMessage::Feedback(feedback) = message else { panic!("{message:?}") };
    assert_eq!(
        feedback.message,
        "invalid request: encrypted, but not to this key with NIP-04 or NIP-44"
    );
    assert_eq!(market.stub.requests(), 0);
}

/// Sends a request that our buyer cannot write.
async fn submit(buyer: &Buyer, request: EventBuilder, keys: &Keys) {
    let event = request.sign_with_keys(keys).unwrap();
    buyer
        .submit(&Request::from_json(&nostr_sdk::JsonUtil::as_json(&event)).unwrap())
        .await
        .unwrap();
}

/// Goal: no file of the node has a confidential text, before, during or after the work, and jobs
/// continue after a restart. Method: a public and a confidential job that wait for the backend,
/// with every file searched; the public one proves the search. Then the node starts again.
#[tokio::test(flavor = "multi_thread")]
async fn no_file_of_the_node_contains_confidential_text() {
    let mut market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        wallet: false,
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let open = customer.ask(vec![text("open-canary-51")]).await;
    market.wait_until(open, |state| state.execution == Execution::Processing).await;
    let (secret, params) = (format!("{CANARY}-secret"), param("stop", &format!("{CANARY}-stop")));
    let job = customer.ask(vec![text(&secret), params, RequestTag::Encrypted]).await;
    market.wait_until(job, |state| state.execution == Execution::Received).await;
    assert!(home_has(&market, "open-canary-51") && !home_has(&market, CANARY), "while it waits");
    market.stop_node(std::time::Duration::ZERO).await;
    assert!(
        home_has(&market, "open-canary-51") && !home_has(&market, CANARY),
        "while the node is down"
    );
    for _ in 0..4 {
        market.stub.release();
    }
    market.start_node().await;
    customer.result(open).await;
    assert_eq!(customer.result(job).await.content, secret);
    let over = market.wait_until(job, |state| state.is_closed()).await;
    assert!(over.job.inputs.is_empty() && over.output.is_none() && over.job.origin.is_empty());
    assert!(home_has(&market, "open-canary-51") && !home_has(&market, CANARY), "after it");
    market.stop_node(TEST_TIMEOUT).await;
    assert!(!home_has(&market, CANARY), "at the end");
}

/// Goal: messages of guests about a confidential job do not get into journal or events. Method: a
/// job that fails with a message that quotes its param, and one that is refused with such a
/// message.
#[tokio::test(flavor = "multi_thread")]
async fn no_error_of_a_confidential_job_is_stored() {
    let market = TestMarket::start(MarketOptions::default()).await;
    let mut customer = market.customer().await;
    let mut seen = market.bus.listen();
    let model = format!("{CANARY}-model");
    for (tags, quoted) in [
        (vec![text("x"), param("model", &model)], CANARY),
        (vec![text("x"), param("temperature", CANARY)], "temperature"),
    ] {
        let job = customer.ask([tags, vec![RequestTag::Encrypted]].concat()).await;
        let words = customer.feedback(job, "error").await.message;
        assert!(words.contains(quoted), "{words}");
    }
    assert!(!home_has(&market, CANARY));
    while let Ok(observation) = seen.try_recv() {
        assert!(!format!("{observation:?}").contains(CANARY), "{observation:?}");
    }
}

/// A node that accepts jobs, and its complete log.
async fn started(home: &Path, log_level: &str) -> (Running, JoinHandle<Vec<u8>>) {
    let mut child = command(home, &["start", "-f"])
        .env("RUST_LOG", log_level)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let (ready, is_ready) = oneshot::channel();
    let reading = tokio::task::spawn_blocking(move || {
        let (mut all, mut line, mut ready) = (Vec::new(), Vec::new(), Some(ready));
        while log.read_until(b'\n', &mut line).unwrap() > 0 {
            if ready.is_some() && has(&line, "listening for jobs") {
                ready.take().map(|ready| ready.send(()));
            }
            all.append(&mut line);
        }
        all
    });
    tokio::time::timeout(TEST_TIMEOUT, is_ready).await.unwrap().unwrap();
    (Running(child), reading)
}

/// Goal: the most verbose log shows no confidential text and no key. Method: the real program with
/// every target at trace and one such job; all log lines, which do show the market message.
#[tokio::test(flavor = "multi_thread")]
async fn no_log_line_contains_confidential_text() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let (relay, stub) = (InProcessRelay::start().await.unwrap(), Stub::start(Script::Echo).await);
    let home = tempfile::tempdir().unwrap();
    let (path, config) = (home.path().to_owned(), home.path().join(".config/pylon/config.toml"));
    assert!(
        tokio::task::spawn_blocking(move || run(&path, &["init"])).await.unwrap().status.success()
    );
    let lines = format!(
        "relays = [\"{}\"]\n[inference.llama_cpp]\nurl = \"{}\"\n",
        relay.url(),
        stub.url()
    );
    std::fs::write(config, lines).unwrap();
    let words =
        std::fs::read_to_string(home.path().join(".config/pylon/identity.mnemonic")).unwrap();
    let node_keys = identity::keys(&words).unwrap();

    // The first start compiles guests, and the compiler would fill the log.
    let (mut node, reading) = started(home.path(), "info").await;
    node.terminate();
    reading.await.unwrap();
    node.0.wait().unwrap();
    let (mut node, reading) = started(home.path(), "trace").await;
    let mut buyer = Buyer::connect(Keys::generate(), &[relay.url().to_owned()]).await.unwrap();
    let provider = RequestTag::Provider(identity::public_key(&node_keys));
    let asked = vec![text(CANARY), param("system", CANARY), RequestTag::Encrypted, provider];
    let job = buyer.request(5050, &asked).await.unwrap();
    let answer = async {
        loop {
            match buyer.next().await.unwrap() {
                ProviderMessage::Result(result) => return result.content,
                ProviderMessage::Feedback(feedback) => {
                    assert_ne!(feedback.status.as_str(), "error", "{}", feedback.message)
                }
                ProviderMessage::Unreadable { why, .. } => panic!("{why}"),
            }
        }
    };
    assert_eq!(tokio::time::timeout(TEST_TIMEOUT, answer).await.unwrap(), CANARY);
    node.terminate();
    let log = tokio::time::timeout(TEST_TIMEOUT, reading).await.unwrap().unwrap();
    node.0.wait().unwrap();
    assert!(has(&log, &job.to_hex()) && has(&log, "kind=6050"), "the log shows the message");
    assert!(has(&log, "a guest decided"), "the debug log names the guest");
    assert!(!has(&log, CANARY), "{}", String::from_utf8_lossy(&log));
    assert!(!has(&log, &node_keys.secret_key().to_secret_hex()) && !has(&log, words.trim()));
    let path = home.path().to_owned();
    let show = move || run(&path, &["jobs", "show", &job.to_hex(), "--text"]);
    let page = tokio::task::spawn_blocking(show).await.unwrap().stdout;
    assert!(has(&page, "The job is confidential") && !has(&page, CANARY));
}

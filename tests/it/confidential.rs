//! Confidential jobs through the real node: who can read them, and where their text is found.

use nostr_sdk::nips::nip04;
use nostr_sdk::{Event, EventBuilder, Filter, Keys, Kind, Tag};
use pylon_core::machine::{Delivery, Execution};
use pylon_nostr::buyer::{Buyer, ProviderMessage, Request};
use pylon_nostr::identity;
use pylon_nostr::nip90::{Encryption, RequestTag, parse_feedback, parse_result};
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::process::{Running, command, run};
use pylon_tests::stage::{PATIENCE, Set, Stage, bid, param, text};
use pylon_tests::stub::{Script, Stub};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const CANARY: &str = "canary-93c1";

/// All that anybody can read on the relay.
async fn published(stage: &Stage) -> Vec<Event> {
    let client = nostr_sdk::Client::default();
    client.add_relay(stage.relays[0].url()).await.unwrap();
    client.connect().await;
    let filter = Filter::new().kinds((5000..=7000).map(Kind::from_u16));
    let events = client.fetch_events(filter, PATIENCE).await.unwrap();
    client.disconnect().await;
    events.into_iter().collect()
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Every file below the node's home.
fn home_has(stage: &Stage, text: &str) -> bool {
    let (mut open, mut found) = (vec![stage.folder.path().to_owned()], false);
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

/// Goal: a job in NIP-44 is answered in it, and nobody but the customer can read a word of it. Method: our buyer's encrypted request, all feedback and
/// the result; then every event on the relay, searched, and opened with another key.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_customer_reads_the_answer() {
    let stage = Stage::set(Set::default()).await;
    let mut customer = stage.customer().await;
    let words = format!("{CANARY} ").repeat(40);
    let tags = vec![text(&words), param("max_tokens", "64"), bid(50_000), RequestTag::Encrypted];
    let job = customer.ask(tags).await;
    let result = customer.result(job).await;
    assert!(result.encrypted && result.content.contains(CANARY), "{}", result.content);
    assert!(
        result.attributes.iter().any(|fact| fact.name == "model" && fact.value == "stub-model")
    );
    assert!(result.due.is_some() && !result.guests.is_empty());
    let state = stage.until(job, |state| state.delivery == Delivery::Delivered).await;
    assert!(state.job.confidential);

    let stranger = Keys::generate();
    let events = published(&stage).await;
    assert!(events.iter().any(|event| event.kind.as_u16() == 6050));
    for event in &events {
        let json = serde_json::to_string(event).unwrap();
        assert!(!json.contains(CANARY) && !json.contains("stub-model"), "{json}");
        let feedback = parse_feedback(event)
            .is_some_and(|said| said.encrypted && said.open(&stranger).is_ok());
        let result = parse_result(event).is_some_and(|said| said.open(&stranger).is_ok());
        assert!(!feedback && !result, "{json}");
    }
    let bolt11 = result.due.and_then(|(_, bolt11)| bolt11).unwrap();
    stage.bank.pay(&bolt11).unwrap();
    stage.until(job, |state| state.is_closed()).await;
}

/// Goal: who still speaks NIP-04 is answered in it. Method: a request as other clients write it, good and bad.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_scheme_is_answered_in_kind() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let keys = Keys::generate();
    let mut buyer = Buyer::connect(keys.clone(), &stage.config.market.relays).await.unwrap();
    let provider = nostr_sdk::PublicKey::from_byte_array(*stage.provider().as_bytes());
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
        let said = tokio::time::timeout(PATIENCE, said).await.unwrap();
        assert!(said.contains(answer), "{said}");
    }
    for event in published(&stage).await {
        let json = serde_json::to_string(&event).unwrap();
        assert!(!json.contains("canary"), "{json}");
        assert!(
            event.content.is_empty() || Encryption::of(&event.content) == Encryption::Nip04,
            "{json}"
        );
    }
}

/// Goal: what is encrypted to somebody else is refused in one clear line. Method: the same request, sealed for another provider and sent to ours.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_for_another_is_refused() {
    let stage = Stage::set(Set::default()).await;
    let keys = Keys::generate();
    let mut buyer = Buyer::connect(keys.clone(), &stage.config.market.relays).await.unwrap();
    let provider = nostr_sdk::PublicKey::from_byte_array(*stage.provider().as_bytes());
    let content =
        nip04::encrypt(keys.secret_key(), &Keys::generate().public_key(), r#"[["i","x"]]"#)
            .unwrap();
    let tags = [Tag::public_key(provider), Tag::parse(["encrypted"]).unwrap()];
    submit(&buyer, EventBuilder::new(Kind::from_u16(5050), content).tags(tags), &keys).await;
    let heard = tokio::time::timeout(PATIENCE, buyer.next()).await.unwrap().unwrap();
    let ProviderMessage::Feedback(feedback) = heard else { panic!("{heard:?}") };
    assert_eq!(
        feedback.message,
        "invalid request: encrypted, and not to this key in NIP-04 or NIP-44"
    );
    assert_eq!(stage.stub.asked(), 0);
}

/// A request that our buyer would not write.
async fn submit(buyer: &Buyer, request: EventBuilder, keys: &Keys) {
    let event = request.sign_with_keys(keys).unwrap();
    buyer
        .submit(&Request::from_json(&nostr_sdk::JsonUtil::as_json(&event)).unwrap())
        .await
        .unwrap();
}

/// Goal: no file of the node has a confidential text, before, during or after the work, and a restart goes on all the same. Method: an open and a
/// confidential job that wait for the backend, every file searched; the open one shows that the search finds. Then the node starts again.
#[tokio::test(flavor = "multi_thread")]
async fn no_file_of_the_node_has_the_text() {
    let mut stage = Stage::set(Set { script: Script::Wait, wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let open = customer.ask(vec![text("open-canary-51")]).await;
    stage.until(open, |state| state.execution == Execution::Processing).await;
    let (secret, params) = (format!("{CANARY}-secret"), param("stop", &format!("{CANARY}-stop")));
    let job = customer.ask(vec![text(&secret), params, RequestTag::Encrypted]).await;
    stage.until(job, |state| state.execution == Execution::Received).await;
    assert!(home_has(&stage, "open-canary-51") && !home_has(&stage, CANARY), "while it waits");
    stage.stop(std::time::Duration::ZERO).await;
    assert!(
        home_has(&stage, "open-canary-51") && !home_has(&stage, CANARY),
        "while the node is down"
    );
    for _ in 0..4 {
        stage.stub.release();
    }
    stage.start().await;
    customer.result(open).await;
    assert_eq!(customer.result(job).await.content, secret);
    let over = stage.until(job, |state| state.is_closed()).await;
    assert!(over.job.inputs.is_empty() && over.output.is_none() && over.job.origin.is_empty());
    assert!(home_has(&stage, "open-canary-51") && !home_has(&stage, CANARY), "after it");
    stage.stop(PATIENCE).await;
    assert!(!home_has(&stage, CANARY), "at the end");
}

/// Goal: what a guest says of a confidential job stays out of books and events too. Method: a job that fails with words that quote its param, and
/// one that is refused with such words.
#[tokio::test(flavor = "multi_thread")]
async fn no_reason_quotes_the_text() {
    let stage = Stage::set(Set::default()).await;
    let mut customer = stage.customer().await;
    let mut seen = stage.bus.listen();
    let model = format!("{CANARY}-model");
    for (tags, quoted) in [
        (vec![text("x"), param("model", &model)], CANARY),
        (vec![text("x"), param("temperature", CANARY)], "temperature"),
    ] {
        let job = customer.ask([tags, vec![RequestTag::Encrypted]].concat()).await;
        let words = customer.feedback(job, "error").await.message;
        assert!(words.contains(quoted), "{words}");
    }
    assert!(!home_has(&stage, CANARY));
    while let Ok(observation) = seen.try_recv() {
        assert!(!format!("{observation:?}").contains(CANARY), "{observation:?}");
    }
}

/// A node that takes jobs, and its log to the end.
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
    tokio::time::timeout(PATIENCE, is_ready).await.unwrap().unwrap();
    (Running(child), reading)
}

/// Goal: a log that shows everything shows no confidential text, nor any key. Method: the real program with every target at trace, one such job through
/// it; all of its lines, which do show the message of the market.
#[tokio::test(flavor = "multi_thread")]
async fn no_line_of_the_log_has_the_text() {
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

    // The first start compiles, and the compiler would fill the log.
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
    assert_eq!(tokio::time::timeout(PATIENCE, answer).await.unwrap(), CANARY);
    node.terminate();
    let log = tokio::time::timeout(PATIENCE, reading).await.unwrap().unwrap();
    node.0.wait().unwrap();
    assert!(has(&log, &job.to_hex()) && has(&log, "kind=6050"), "the log shows the message");
    assert!(has(&log, "a guest was asked"), "and at debug, who was asked");
    assert!(!has(&log, CANARY), "{}", String::from_utf8_lossy(&log));
    assert!(!has(&log, &node_keys.secret_key().to_secret_hex()) && !has(&log, words.trim()));
}

//! Every row of a port against the port's conformance suite. A new adapter is a row here.

use async_trait::async_trait;
use futures::FutureExt as _;
use pylon_adapters::inference::{BackendConfig, Config};
use pylon_adapters::inputs::{Fetcher, Options};
use pylon_core::ports::clock::Clock as _;
use pylon_core::ports::executor::Executor;
use pylon_core::ports::guests::GuestSets;
use pylon_core::ports::inference::Inference;
use pylon_core::ports::inputs::Inputs;
use pylon_core::ports::journal::Journal;
use pylon_core::{JobId, PublicKey};
use pylon_egress::http::client;
use pylon_egress::policy::EgressPolicy;
use pylon_journal::{SqliteJournal, TextCipher};
use pylon_node::clock::SystemClock;
use pylon_nostr::Entry;
use pylon_nostr::buyer::{Buyer, ProviderMessage};
use pylon_nostr::identity::{generate, keys};
use pylon_nostr::market::{self, NostrMarket};
use pylon_nostr::nip90::RequestTag;
use pylon_nostr::relay::InProcessRelay;
use pylon_provider::{BackendRegistry, LocalExecutor};
use pylon_tests::conformance::{executor, inference, inputs, journal, market as suite};
use pylon_tests::market::{TEST_TIMEOUT, text};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Goal: every journal keeps the promises of its port. Method: the suite.
#[tokio::test(flavor = "multi_thread")]
async fn every_journal_conforms() {
    const ROWS: [journal::Open; 1] = [sqlite];
    for open in ROWS {
        journal::check(open).await;
    }
}

fn sqlite(folder: &Path) -> Arc<dyn Journal> {
    let cipher = TextCipher::new(&[7; 32]);
    Arc::new(SqliteJournal::open_with(&folder.join("pylon.db"), cipher).unwrap())
}

/// Goal: every type of backend keeps the promises of its port. Method: the suite, with a server
/// that speaks the OpenAI API.
#[tokio::test(flavor = "multi_thread")]
async fn every_inference_backend_conforms() {
    const ROWS: [(&str, inference::Connect); 1] =
        [("llama_cpp", |url| async move { backend("llama_cpp", &url).await }.boxed())];
    assert_eq!(ROWS.map(|(name, _)| name), *BackendConfig::TYPES);
    for (_, connect) in ROWS {
        inference::check(connect).await;
    }
}

/// A backend as the settings make it.
async fn backend(type_name: &str, url: &str) -> Arc<dyn Inference> {
    let config = serde_json::json!({ type_name: { "url": url } });
    let config: BackendConfig = serde_json::from_value(config).unwrap();
    let inference = BTreeMap::from([("name".to_owned(), config)]);
    let config = Config { inference, ..Config::default() };
    let backends = config.build(&client().unwrap(), &|_| Err(String::new())).await.unwrap();
    assert_eq!(backends[0].id(), "name");
    Arc::clone(&backends[0])
}

/// Goal: every source of inputs keeps the promises of its port. Method: the suite.
#[tokio::test(flavor = "multi_thread")]
async fn every_input_fetcher_conforms() {
    const ROWS: [inputs::Make; 1] = [fetcher];
    for make in ROWS {
        inputs::check(make).await;
    }
}

fn fetcher(setup: inputs::Setup) -> Arc<dyn Inputs> {
    let inputs::Setup { granted, allow, timeout, events } = setup;
    let egress = Arc::new(EgressPolicy::new(&allow));
    let options = Options { granted, egress, fetch_timeout: timeout, chain_timeout: timeout };
    Arc::new(Fetcher::new(options, events))
}

/// Goal: every executor keeps the promises of its port. Method: the suite.
#[tokio::test(flavor = "multi_thread")]
async fn every_executor_conforms() {
    const ROWS: [executor::Make; 1] = [local];
    for make in ROWS {
        executor::check(make).await;
    }
}

fn local(guests: Arc<dyn GuestSets>, backends: Arc<BackendRegistry>) -> Arc<dyn Executor> {
    Arc::new(LocalExecutor::new(guests, backends))
}

/// Goal: every market keeps the promises of its port. Method: the suite.
#[tokio::test(flavor = "multi_thread")]
async fn every_market_conforms() {
    for fixture in [nostr().await] {
        suite::check(fixture).await;
    }
}

/// A market on two relays, both of which have to accept a message.
async fn nostr() -> suite::Fixture {
    let relays = [InProcessRelay::start().await.unwrap(), InProcessRelay::start().await.unwrap()];
    let urls: Vec<_> = relays.iter().map(|relay| relay.url().to_owned()).collect();
    let entry = Entry {
        keys: keys(&generate().unwrap()).unwrap(),
        urls: urls.clone(),
        kinds: vec![5050],
        clock: Arc::new(SystemClock),
    };
    let options = market::Options {
        quorum: 2,
        send_timeout: Duration::from_secs(5),
        ..market::Options::default()
    };
    let (market, mut changes) = NostrMarket::connect(entry, options).await.unwrap();
    let mut connected = 0;
    while connected < relays.len() {
        let change = tokio::time::timeout(TEST_TIMEOUT, changes.recv()).await.unwrap().unwrap();
        connected += usize::from(change.connected);
    }
    assert!(market.ready(TEST_TIMEOUT).await);
    let buyer = Buyer::connect(keys(&generate().unwrap()).unwrap(), &urls).await.unwrap();
    let customer = NostrCustomer { buyer, provider: market.public_key() };
    let market = Arc::new(market);
    let closed = Arc::clone(&market);
    suite::Fixture {
        market,
        customer: Box::new(customer),
        disconnect: Box::new(move || drop(relays)),
        close: Box::new(move || async move { closed.close().await }.boxed()),
    }
}

struct NostrCustomer {
    buyer: Buyer,
    provider: PublicKey,
}

#[async_trait(?Send)]
impl suite::MarketCustomer for NostrCustomer {
    async fn request(&mut self, prompt: &str) -> JobId {
        let tags = [text(prompt), RequestTag::Provider(self.provider)];
        let request = self.buyer.sign(5050, &tags, SystemClock.now()).unwrap();
        for _ in 0..2 {
            self.buyer.submit(&request).await.unwrap();
        }
        request.id()
    }

    async fn cancel(&mut self, job: JobId) {
        self.buyer.cancel(job, 5050).await.unwrap();
    }

    async fn next(&mut self) -> String {
        match self.buyer.next().await.unwrap() {
            ProviderMessage::Feedback(feedback) => feedback.status.as_str().to_owned(),
            ProviderMessage::Result(result) => result.content,
            ProviderMessage::Unreadable { why, .. } => panic!("{why}"),
        }
    }
}

//! Time from start to subscription: a node with its guests in the code cache, against the same
//! parts without guests.

use pylon_adapters::inference::{BackendConfig, llama_cpp};
use pylon_core::ports::clock::Clock as _;
use pylon_core::ports::journal::Journal as _;
use pylon_egress::http::client;
use pylon_journal::SqliteJournal;
use pylon_node::clock::SystemClock;
use pylon_node::config::Config;
use pylon_node::home::Home;
use pylon_node::node::{Node, Parts};
use pylon_nostr::Entry;
use pylon_nostr::identity::{generate, keys};
use pylon_nostr::market::{NostrMarket, Options};
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::figures::{Figure, Goal, median};
use pylon_tests::stub::{Script, Stub};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) async fn measure() -> Figure {
    let (relay, stub, folder) = (
        InProcessRelay::start().await.unwrap(),
        Stub::start(Script::Echo).await,
        tempfile::tempdir().unwrap(),
    );
    let mut config = Config::default();
    config.market.relays = vec![relay.url().to_owned()];
    let backend = BackendConfig::LlamaCpp(llama_cpp::Config {
        url: stub.url(),
        ..llama_cpp::Config::default()
    });
    config.inference.inference = BTreeMap::from([("llama_cpp".to_owned(), backend)]);
    // Fills the cache.
    whole(folder.path(), &config).await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(whole(folder.path(), &config).await);
        theirs.push(without_guests(folder.path(), &config).await);
    }
    let name = "start with cached guests ÷ the same without guests (ms)";
    Figure { name, ours: median(ours), against: median(theirs), goal: Goal::AtMost(1.2) }
}

async fn whole(home: &Path, config: &Config) -> f64 {
    let keys = keys(&generate().unwrap()).unwrap();
    let begun = Instant::now();
    let home = Home::at(home);
    let node =
        Node::start(&home, &home.open().unwrap(), config, keys, Parts::default()).await.unwrap();
    node.ready(TEST_TIMEOUT).await.unwrap();
    let took = begun.elapsed();
    node.stop(TEST_TIMEOUT).await;
    took.as_secs_f64() * 1000.0
}

/// Home, journal, backend and market: everything but the guests.
async fn without_guests(home: &Path, config: &Config) -> f64 {
    let keys = keys(&generate().unwrap()).unwrap();
    let begun = Instant::now();
    let home = Home::at(home);
    let _state = home.open().unwrap();
    let journal = SqliteJournal::open(&home.database()).unwrap();
    journal.unfinished().unwrap();
    let backends =
        config.inference.build(&client().unwrap(), &|_| Err(String::new())).await.unwrap();
    backends[0].models().await.unwrap();
    let entry = Entry {
        keys,
        urls: config.market.relays.clone(),
        kinds: vec![5050],
        clock: Arc::new(SystemClock),
    };
    let (market, _changes) = NostrMarket::connect(entry, Options::default()).await.unwrap();
    assert!(market.ready(TEST_TIMEOUT).await && SystemClock.now().get() > 0);
    let took = begun.elapsed();
    market.close().await;
    took.as_secs_f64() * 1000.0
}

//! A whole market in this process: a relay, a node in a temporary home, a stub backend, play money, and customers.

use crate::proxy::Proxy;
use crate::stub::{Script, Stub};
use nostr_relay_builder::RelayBuilder;
use nostr_relay_builder::builder::{PolicyResult, WritePolicy};
use nostr_sdk::prelude::{BoxedFuture, ClientMessage, Event, JsonUtil, Kind};
use pylon_adapters::inference::llama_cpp;
use pylon_adapters::payments::play_money::PlayBank;
use pylon_core::machine::JobState;
use pylon_core::slots::GuestConfig;
use pylon_core::{Input, InputSource, JobId, Msat, Param, PublicKey};
use pylon_egress::http::client;
use pylon_node::clock::SystemClock;
use pylon_node::config::{Config, MarketConfig, Network};
use pylon_node::home::Home;
use pylon_node::node::{Node, Parts};
use pylon_nostr::buyer::{Buyer, ProviderMessage};
use pylon_nostr::identity::{generate, keys, public_key};
use pylon_nostr::market::Options;
use pylon_nostr::nip90::{Delivered, Feedback, RequestTag};
use pylon_nostr::relay::InProcessRelay;
use pylon_provider::Bus;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Generous: a crowded machine is slow, and no test asserts speed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How the stage is set.
pub struct Set {
    /// What the backend answers.
    pub script: Script,
    /// With play money, or for free.
    pub wallet: bool,
    /// The pricing policy; empty: as shipped.
    pub policy: &'static str,
    /// Settings of the pricing policy.
    pub pricing: &'static [(&'static str, &'static str)],
    /// How many relays.
    pub relays: usize,
    /// Jobs that may wait.
    pub max_queued_jobs: u32,
    /// Relays take no event of this kind, and say that they may later.
    pub unwanted: Option<u16>,
    /// What a relay takes at once.
    pub message_bytes: Option<usize>,
    /// What strangers may name.
    pub network: Network,
    /// Answers go where customers want them, too.
    pub customer_relays: bool,
    /// The node meets its relays through proxies only, which say this of them (NIP-11).
    pub proxied: Option<&'static str>,
    /// How the node deals with relays.
    pub market: Options,
}

impl Default for Set {
    fn default() -> Self {
        Self {
            script: Script::Echo,
            wallet: true,
            policy: "",
            pricing: &[],
            relays: 1,
            max_queued_jobs: 64,
            unwanted: None,
            message_bytes: None,
            network: Network::default(),
            customer_relays: false,
            proxied: None,
            market: Options::default(),
        }
    }
}

#[derive(Debug)]
struct Unwanted(Kind);

impl WritePolicy for Unwanted {
    fn admit_event<'a>(
        &'a self,
        event: &'a Event,
        _: &'a SocketAddr,
    ) -> BoxedFuture<'a, PolicyResult> {
        let verdict = if event.kind == self.0 {
            PolicyResult::Reject("rate-limited: later".into())
        } else {
            PolicyResult::Accept
        };
        Box::pin(async { verdict })
    }
}

/// As a relay with `max_message_length` does it.
#[derive(Debug)]
struct AtMost(usize);

impl WritePolicy for AtMost {
    fn admit_event<'a>(
        &'a self,
        event: &'a Event,
        _from: &'a SocketAddr,
    ) -> BoxedFuture<'a, PolicyResult> {
        let fits = ClientMessage::event(event.clone()).as_json().len() <= self.0;
        Box::pin(async move {
            if fits { PolicyResult::Accept } else { PolicyResult::Reject("too large".into()) }
        })
    }
}

/// The market, set up.
pub struct Stage {
    /// Where the node lives.
    pub folder: TempDir,
    /// The backend.
    pub stub: Stub,
    /// Where everybody meets.
    pub relays: Vec<InProcessRelay>,
    /// One in front of each relay, if there are any.
    pub proxies: Vec<Proxy>,
    /// The money.
    pub bank: PlayBank,
    /// Who watches.
    pub bus: Bus,
    /// How the node is configured.
    pub config: Config,
    wallet: bool,
    market: Options,
    keys: nostr_sdk::Keys,
    node: Option<Node>,
}

impl Stage {
    /// Sets it up, with the node at work.
    pub async fn set(set: Set) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let stub = Stub::start(set.script).await;
        let mut relays = Vec::new();
        for _ in 0..set.relays {
            let mut builder = RelayBuilder::default();
            if let Some(kind) = set.unwanted {
                builder = builder.write_policy(Unwanted(Kind::from_u16(kind)));
            }
            if let Some(bytes) = set.message_bytes {
                builder = builder.write_policy(AtMost(bytes));
            }
            relays.push(InProcessRelay::start_with(builder).await.unwrap());
        }
        let urls: Vec<_> = relays.iter().map(|relay| relay.url().to_owned()).collect();
        let mut proxies = Vec::new();
        for url in urls.iter() {
            if let Some(about) = set.proxied {
                proxies.push(Proxy::start(url, about).await);
            }
        }
        let near = proxies.iter().map(|proxy| proxy.url().to_owned()).collect::<Vec<_>>();
        let settings: BTreeMap<_, _> = set
            .pricing
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let guest = GuestConfig { source: set.policy.into(), settings, ..GuestConfig::default() };
        let guests = BTreeMap::from([("pricing".to_owned(), guest)]);
        let config = Config {
            market: MarketConfig {
                relays: if set.proxied.is_some() { near } else { urls.clone() },
                customer_relays: set.customer_relays,
                ..MarketConfig::default()
            },
            provider: pylon_provider::Config {
                max_queued_jobs: set.max_queued_jobs,
                ..pylon_provider::Config::default()
            },
            network: set.network,
            slots: pylon_slots::Config { guests, ..pylon_slots::Config::default() },
            ..Config::default()
        };
        let mut stage = Self {
            folder: tempfile::tempdir().unwrap(),
            stub,
            bank: PlayBank::open(&urls, Msat::new(100_000_000), Arc::new(SystemClock)).unwrap(),
            relays,
            proxies,
            bus: Bus::default(),
            config,
            wallet: set.wallet,
            market: set.market,
            keys: keys(&generate().unwrap()).unwrap(),
            node: None,
        };
        stage.start().await;
        stage
    }

    /// Starts the node on what its home holds.
    pub async fn start(&mut self) {
        let home = Home::at(self.folder.path());
        let backend = llama_cpp(&client().unwrap(), &self.stub.url()).await.unwrap();
        let wallet = self.wallet.then(|| Arc::new(self.bank.wallet()) as _);
        let (backends, bus) = (Some(vec![Arc::new(backend) as _]), self.bus.clone());
        let parts = Parts { wallet, backends, bus, market: self.market, ..Parts::default() };
        let node =
            Node::start(&home, &home.open().unwrap(), &self.config, self.keys.clone(), parts)
                .await
                .unwrap();
        node.ready(PATIENCE).await.unwrap();
        self.node = Some(node);
    }

    /// Stops the node, letting work end for so long.
    pub async fn stop(&mut self, within: Duration) {
        if let Some(node) = self.node.take() {
            node.stop(within).await;
        }
    }

    /// The provider's key.
    pub fn provider(&self) -> PublicKey {
        public_key(&self.keys)
    }

    /// The provider's keys.
    pub fn keys(&self) -> &nostr_sdk::Keys {
        &self.keys
    }

    /// The node's row of a job.
    pub fn job(&self, id: JobId) -> Option<JobState> {
        self.node.as_ref().unwrap().journal().job(id).unwrap()
    }

    /// The node.
    pub fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    /// Waits until the job's row is as wanted.
    pub async fn until(&self, id: JobId, wanted: impl Fn(&JobState) -> bool) -> JobState {
        let mut seen = self.bus.listen();
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(state) = self.job(id).filter(&wanted) {
                    return state;
                }
                // Whatever changes a row is announced or acknowledged soon after: look again at each, and now and then.
                let _ = tokio::time::timeout(Duration::from_millis(50), seen.recv()).await;
            }
        });
        found.await.unwrap_or_else(|_| panic!("the job never came to that: {:?}", self.job(id)))
    }

    /// A new customer, on every relay.
    pub async fn customer(&self) -> Customer {
        self.customer_on(&self.relays).await
    }

    /// A new customer, on these relays.
    pub async fn customer_on(&self, relays: &[InProcessRelay]) -> Customer {
        let urls: Vec<_> = relays.iter().map(|relay| relay.url().to_owned()).collect();
        Customer::of(self.provider(), &urls).await
    }
}

/// Somebody who asks.
pub struct Customer {
    /// Its connection.
    pub buyer: Buyer,
    key: PublicKey,
    provider: PublicKey,
    /// Said about other jobs than the one that was listened for.
    heard: Vec<ProviderMessage>,
}

impl Customer {
    /// Somebody new on these relays, who knows this provider.
    pub async fn of(provider: PublicKey, relays: &[String]) -> Self {
        let keys = keys(&generate().unwrap()).unwrap();
        let key = public_key(&keys);
        let buyer = Buyer::connect(keys, relays).await.unwrap();
        Self { buyer, key, provider, heard: Vec::new() }
    }
}

/// A text input.
pub fn text(text: &str) -> RequestTag {
    RequestTag::Input {
        input: Input { source: InputSource::Text(text.into()), hint: None, marker: None },
        relay: None,
    }
}

/// A param with one value.
pub fn param(name: &str, value: &str) -> RequestTag {
    RequestTag::Param(Param { name: name.into(), values: vec![value.into()] })
}

/// A bid.
pub fn bid(msat: u64) -> RequestTag {
    RequestTag::Bid(Msat::new(msat))
}

impl Customer {
    /// Who it is.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// Asks our provider for text.
    pub async fn ask(&self, mut tags: Vec<RequestTag>) -> JobId {
        tags.push(RequestTag::Provider(self.provider));
        self.buyer.request(5050, &tags).await.unwrap()
    }

    /// Asks whoever listens.
    pub async fn broadcast(&self, kind: u16, tags: Vec<RequestTag>) -> JobId {
        self.buyer.request(kind, &tags).await.unwrap()
    }

    /// The next thing said about this job.
    pub async fn hear(&mut self, job: JobId) -> ProviderMessage {
        if let Some(index) = self.heard.iter().position(|heard| about(heard) == job) {
            return self.heard.remove(index);
        }
        tokio::time::timeout(PATIENCE, async {
            loop {
                let heard = self.buyer.next().await.unwrap();
                if about(&heard) == job {
                    return heard;
                }
                self.heard.push(heard);
            }
        })
        .await
        .expect("the provider is silent")
    }

    /// Waits for the result, past all feedback.
    pub async fn result(&mut self, job: JobId) -> Delivered {
        loop {
            match self.hear(job).await {
                ProviderMessage::Result(result) => return result,
                ProviderMessage::Feedback(feedback) => {
                    assert_ne!(feedback.status.as_str(), "error", "{}", feedback.message)
                }
                ProviderMessage::Unreadable { why, .. } => panic!("{why}"),
            }
        }
    }

    /// Waits for feedback of this kind, past all other.
    pub async fn feedback(&mut self, job: JobId, status: &str) -> Feedback {
        loop {
            match self.hear(job).await {
                ProviderMessage::Feedback(feedback) if feedback.status.as_str() == status => {
                    return feedback;
                }
                ProviderMessage::Feedback(_) => {}
                ProviderMessage::Result(result) => panic!("a result before `{status}`: {result:?}"),
                ProviderMessage::Unreadable { why, .. } => panic!("{why}"),
            }
        }
    }
}

fn about(heard: &ProviderMessage) -> JobId {
    match heard {
        ProviderMessage::Feedback(feedback) => feedback.job,
        ProviderMessage::Result(result) => result.job,
        ProviderMessage::Unreadable { job, .. } => *job,
    }
}

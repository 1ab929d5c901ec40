//! A whole market in this process: relays, a node in a temporary home, a stub backend, play money,
//! and customers.

use crate::proxy::Proxy;
use crate::stub::{Script, Stub};
use nostr_relay_builder::RelayBuilder;
use nostr_relay_builder::builder::{PolicyResult, WritePolicy};
use nostr_sdk::prelude::{BoxedFuture, ClientMessage, Event, JsonUtil, Kind};
use pylon_adapters::inference::{self, llama_cpp};
use pylon_adapters::payments::play_money::PlayBank;
use pylon_core::machine::JobState;
use pylon_core::ports::inference::Inference;
use pylon_core::slots::GuestConfig;
use pylon_core::{Input, InputSource, JobId, Msat, Param, PublicKey};
use pylon_egress::http::client;
use pylon_node::clock::SystemClock;
use pylon_node::config::Config;
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

/// Generous, because a busy machine is slow and no test asserts speed.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What a [`TestMarket`] consists of.
pub struct MarketOptions {
    /// Answers of the backend.
    pub script: Script,
    /// Answers of a second backend, `second`, if there is one.
    pub second: Option<Script>,
    /// Price factors by model.
    pub price_permille: &'static [(&'static str, u32)],
    /// With a wallet of play money; otherwise jobs are free.
    pub wallet: bool,
    /// The pricing policy; empty for the shipped one.
    pub policy: &'static str,
    /// Settings of the pricing policy.
    pub pricing: &'static [(&'static str, &'static str)],
    /// Number of relays.
    pub relays: usize,
    /// The setting of this name.
    pub max_queued_jobs: u32,
    /// Relays reject events of this kind as rate-limited.
    pub rejected_kind: Option<u16>,
    /// Relays reject larger messages.
    pub message_bytes_max: Option<usize>,
    /// The egress policy.
    pub network: pylon_egress::Config,
    /// Answers are also sent to relays that the request names.
    pub customer_relays: bool,
    /// Puts a proxy in front of each relay, with this relay information document (NIP-11).
    pub relay_info: Option<&'static str>,
    /// Timeouts for relays.
    pub nostr: Options,
}

impl Default for MarketOptions {
    fn default() -> Self {
        Self {
            script: Script::Echo,
            second: None,
            price_permille: &[],
            wallet: true,
            policy: "",
            pricing: &[],
            relays: 1,
            max_queued_jobs: 64,
            rejected_kind: None,
            message_bytes_max: None,
            network: pylon_egress::Config::default(),
            customer_relays: false,
            relay_info: None,
            nostr: Options::default(),
        }
    }
}

#[derive(Debug)]
struct RejectKind(Kind);

impl WritePolicy for RejectKind {
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

/// Like a relay with `max_message_length`.
#[derive(Debug)]
struct MessageBytesMax(usize);

impl WritePolicy for MessageBytesMax {
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

/// The market and its parts.
pub struct TestMarket {
    /// Home of the node.
    pub folder: TempDir,
    /// The backend.
    pub stub: Stub,
    /// The second backend.
    pub second: Option<Stub>,
    /// The relays themselves.
    pub relays: Vec<InProcessRelay>,
    /// One in front of each relay, with `relay_info`.
    pub proxies: Vec<Proxy>,
    /// The play money of node and customers.
    pub bank: PlayBank,
    /// Events of the node.
    pub bus: Bus,
    /// Settings of the node.
    pub config: Config,
    wallet: bool,
    nostr: Options,
    keys: nostr_sdk::Keys,
    node: Option<Node>,
}

impl TestMarket {
    /// Starts all parts; the node is ready when this returns.
    pub async fn start(options: MarketOptions) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let stub = Stub::start(options.script).await;
        let second = match options.second {
            Some(script) => Some(Stub::start(script).await),
            None => None,
        };
        let mut relays = Vec::new();
        for _ in 0..options.relays {
            let mut builder = RelayBuilder::default();
            if let Some(kind) = options.rejected_kind {
                builder = builder.write_policy(RejectKind(Kind::from_u16(kind)));
            }
            if let Some(bytes) = options.message_bytes_max {
                builder = builder.write_policy(MessageBytesMax(bytes));
            }
            relays.push(InProcessRelay::start_with(builder).await.unwrap());
        }
        let urls: Vec<_> = relays.iter().map(|relay| relay.url().to_owned()).collect();
        let mut proxies = Vec::new();
        for url in urls.iter() {
            if let Some(info) = options.relay_info {
                proxies.push(Proxy::start(url, info).await);
            }
        }
        let proxied = proxies.iter().map(|proxy| proxy.url().to_owned()).collect::<Vec<_>>();
        let settings: BTreeMap<_, _> = options
            .pricing
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let guest =
            GuestConfig { source: options.policy.into(), settings, ..GuestConfig::default() };
        let guests = BTreeMap::from([("pricing".to_owned(), guest)]);
        let config = Config {
            market: pylon_nostr::Config {
                relays: if options.relay_info.is_some() { proxied } else { urls.clone() },
                customer_relays: options.customer_relays,
                ..pylon_nostr::Config::default()
            },
            provider: pylon_provider::Config {
                max_queued_jobs: options.max_queued_jobs,
                ..pylon_provider::Config::default()
            },
            inference: inference::Config {
                price_permille: options
                    .price_permille
                    .iter()
                    .map(|(model, permille)| ((*model).to_owned(), *permille))
                    .collect(),
                ..inference::Config::default()
            },
            network: options.network,
            slots: pylon_slots::Config { guests, ..pylon_slots::Config::default() },
            ..Config::default()
        };
        let mut market = Self {
            folder: tempfile::tempdir().unwrap(),
            stub,
            second,
            bank: PlayBank::open(&urls, Msat::new(100_000_000), Arc::new(SystemClock)).unwrap(),
            relays,
            proxies,
            bus: Bus::default(),
            config,
            wallet: options.wallet,
            nostr: options.nostr,
            keys: keys(&generate().unwrap()).unwrap(),
            node: None,
        };
        market.start_node().await;
        market
    }

    /// Starts the node in its home.
    pub async fn start_node(&mut self) {
        let home = Home::at(self.folder.path());
        let mut backends: Vec<Arc<dyn Inference>> = Vec::new();
        let named = [("llama_cpp", Some(&self.stub)), ("second", self.second.as_ref())];
        for (name, stub) in named {
            if let Some(stub) = stub {
                let backend = llama_cpp::connect(&client().unwrap(), name, &stub.url()).await;
                backends.push(Arc::new(backend.unwrap()));
            }
        }
        let wallet = self.wallet.then(|| Arc::new(self.bank.wallet()) as _);
        let (backends, bus) = (Some(backends), self.bus.clone());
        let parts = Parts { wallet, backends, bus, market: self.nostr, ..Parts::default() };
        let node =
            Node::start(&home, &home.open().unwrap(), &self.config, self.keys.clone(), parts)
                .await
                .unwrap();
        node.ready(TEST_TIMEOUT).await.unwrap();
        self.node = Some(node);
    }

    /// Stops the node, after a drain of at most this time.
    pub async fn stop_node(&mut self, timeout: Duration) {
        if let Some(node) = self.node.take() {
            node.stop(timeout).await;
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

    /// Waits until the row of the job meets the condition.
    pub async fn wait_until(&self, id: JobId, condition: impl Fn(&JobState) -> bool) -> JobState {
        let mut seen = self.bus.listen();
        let found = tokio::time::timeout(TEST_TIMEOUT, async {
            loop {
                if let Some(state) = self.job(id).filter(&condition) {
                    return state;
                }
                // Most changes of a row are followed by an event; poll for the others.
                let _ = tokio::time::timeout(Duration::from_millis(50), seen.recv()).await;
            }
        });
        found
            .await
            .unwrap_or_else(|_| panic!("the job never met the condition: {:?}", self.job(id)))
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

/// A customer with a key of its own.
pub struct Customer {
    /// Its client.
    pub buyer: Buyer,
    key: PublicKey,
    provider: PublicKey,
    /// Messages about other jobs than the awaited one.
    unread: Vec<ProviderMessage>,
}

impl Customer {
    /// A new customer of this provider, on these relays.
    pub async fn of(provider: PublicKey, relays: &[String]) -> Self {
        let keys = keys(&generate().unwrap()).unwrap();
        let key = public_key(&keys);
        let buyer = Buyer::connect(keys, relays).await.unwrap();
        Self { buyer, key, provider, unread: Vec::new() }
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
    /// Its public key.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// Sends a text generation request to the provider.
    pub async fn ask(&self, mut tags: Vec<RequestTag>) -> JobId {
        tags.push(RequestTag::Provider(self.provider));
        self.buyer.request(5050, &tags).await.unwrap()
    }

    /// Sends a request to any provider.
    pub async fn broadcast(&self, kind: u16, tags: Vec<RequestTag>) -> JobId {
        self.buyer.request(kind, &tags).await.unwrap()
    }

    /// The next message about this job.
    pub async fn next(&mut self, job: JobId) -> ProviderMessage {
        if let Some(index) = self.unread.iter().position(|message| job_of(message) == job) {
            return self.unread.remove(index);
        }
        tokio::time::timeout(TEST_TIMEOUT, async {
            loop {
                let message = self.buyer.next().await.unwrap();
                if job_of(&message) == job {
                    return message;
                }
                self.unread.push(message);
            }
        })
        .await
        .expect("no message of the provider")
    }

    /// Waits for the result; an error fails the test, other feedback is skipped.
    pub async fn result(&mut self, job: JobId) -> Delivered {
        loop {
            match self.next(job).await {
                ProviderMessage::Result(result) => return result,
                ProviderMessage::Feedback(feedback) => {
                    assert_ne!(feedback.status.as_str(), "error", "{}", feedback.message)
                }
                ProviderMessage::Unreadable { why, .. } => panic!("{why}"),
            }
        }
    }

    /// Waits for feedback with this status; other feedback is skipped.
    pub async fn feedback(&mut self, job: JobId, status: &str) -> Feedback {
        loop {
            match self.next(job).await {
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

fn job_of(message: &ProviderMessage) -> JobId {
    match message {
        ProviderMessage::Feedback(feedback) => feedback.job,
        ProviderMessage::Result(result) => result.job,
        ProviderMessage::Unreadable { job, .. } => *job,
    }
}

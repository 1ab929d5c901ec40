//! The wiring of the part that sells: a market, what may be fetched for a job, the provider, and what is said of them on the market.

use crate::config::{Config, MarketConfig, Network};
use crate::drain;
use crate::presence::{self, Words};
use pylon_adapters::inputs::{self, Fetcher};
use pylon_core::JobId;
use pylon_core::event::DomainEvent;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::journal::Journal;
use pylon_core::ports::payments::Wallet;
use pylon_core::sources::Granted;
use pylon_egress::policy::EgressPolicy;
use pylon_nostr::event_source::MarketEvents;
use pylon_nostr::identity::Keys;
use pylon_nostr::market::{NostrMarket, Options};
use pylon_nostr::{Change, Entry};
use pylon_provider::{Backends, Bus, Ports, Provider};
use pylon_slots::Slots;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// How long a page or a message may take.
const FETCH_WITHIN: Duration = Duration::from_secs(20);
/// How long taking back the announcement may take.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(5);

/// What a seller shares with the rest of the node.
pub(crate) struct Shared {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) backends: Arc<Backends>,
    pub(crate) wallet: Option<Arc<dyn Wallet>>,
    pub(crate) bus: Bus,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) market: Options,
}

/// The part of a node that sells.
pub(crate) struct Seller {
    pub(crate) market: Arc<NostrMarket>,
    provider: Provider,
    addresses: Arc<EgressPolicy>,
    words: watch::Sender<Words>,
    watchers: [JoinHandle<()>; 3],
    clock: Arc<dyn Clock>,
    /// Seconds that jobs have left when their guests are replaced.
    drain_seconds: Arc<AtomicU32>,
}

impl Seller {
    /// Enters the market and begins to take jobs.
    pub(crate) async fn open(
        config: &Config,
        keys: Keys,
        guests: &Slots,
        shared: Shared,
    ) -> anyhow::Result<Self> {
        let Shared { journal, backends, wallet, bus, clock, market: options } = shared;
        let entry = Entry { keys, urls: config.market.relays.clone(), kinds: guests.kinds() };
        let (market, changes) = NostrMarket::connect(entry, options).await?;
        let addresses = Arc::new(EgressPolicy::new(&config.network.allow));
        market.set_customer_relays(config.market.customer_relays.then(|| Arc::clone(&addresses)));
        let market = Arc::new(market);
        let relays = tokio::spawn(tell_of_relays(changes, bus.clone(), Arc::clone(&clock)));
        let (words, said) = watch::channel(words(&config.market, wallet.is_none()));
        let watched = bus.listen();
        let ports = Ports {
            market: market.clone(),
            journal: Arc::clone(&journal),
            guests: guests.guests(),
            observer: guests.observer(),
            wallet,
            inputs: Arc::new(fetcher(&config.network, Arc::clone(&addresses), &market)),
            backends: Arc::clone(&backends),
            clock: Arc::clone(&clock),
        };
        let provider = Provider::start(ports, &config.provider, bus)?;
        let speaker = Arc::clone(&market);
        let generations = Arc::clone(&guests.guest_sets);
        let news = presence::News { backends: watched, guests: guests.manager.changes() };
        let announcing = tokio::spawn(presence::run(said, generations, backends, news, speaker));
        let drain_seconds = Arc::new(AtomicU32::new(config.slots.guest_drain_seconds));
        let manager = Arc::clone(&guests.manager);
        let drain = tokio::spawn(drain::run(
            manager,
            provider.drainer(),
            journal,
            Arc::clone(&clock),
            Arc::clone(&drain_seconds),
        ));
        Ok(Self {
            market,
            provider,
            addresses,
            words,
            watchers: [relays, announcing, drain],
            clock,
            drain_seconds,
        })
    }

    /// Is on these relays from now on. An error has changed nothing.
    pub(crate) async fn move_to(&self, relays: &[String]) -> anyhow::Result<()> {
        Ok(self.market.set_relays(relays).await?)
    }

    /// Works by these from now on, but for the relays.
    pub(crate) fn set(&self, config: &Config) {
        self.market.set_customer_relays(
            config.market.customer_relays.then(|| Arc::clone(&self.addresses)),
        );
        self.words.send_modify(|said| *said = words(&config.market, said.free));
        self.provider.set(&config.provider);
        self.drain_seconds.store(config.slots.guest_drain_seconds, Ordering::Relaxed);
    }

    /// Sends a result that waits for the operator, or does not.
    pub(crate) async fn review(&self, job: JobId, release: bool) -> anyhow::Result<()> {
        self.provider.review(job, release, self.clock.now()).await
    }

    /// Takes nothing new, lets what is at work end, sends what waits, and leaves.
    pub(crate) async fn stop(self, within: Duration) {
        // Nobody shall be sent here any more; what is at work may still end.
        self.watchers.iter().for_each(JoinHandle::abort);
        tokio::join!(self.market.withdraw(within.min(WITHDRAW_WITHIN)), self.provider.stop(within));
        self.market.close().await;
    }
}

fn words(config: &MarketConfig, free: bool) -> Words {
    Words { name: config.name.clone(), about: config.description.clone(), free }
}

fn fetcher(network: &Network, addresses: Arc<EgressPolicy>, market: &Arc<NostrMarket>) -> Fetcher {
    let events = Arc::new(MarketEvents::new(Arc::clone(market), Arc::clone(&addresses)));
    let options = inputs::Options {
        granted: Granted {
            urls: network.fetch_urls,
            events: network.fetch_events,
            jobs: network.chain_jobs,
        },
        egress: addresses,
        fetch_timeout: FETCH_WITHIN,
        chain_timeout: Duration::from_secs(network.chain_wait_seconds.into()),
    };
    Fetcher::new(options, events)
}

async fn tell_of_relays(mut changes: broadcast::Receiver<Change>, bus: Bus, clock: Arc<dyn Clock>) {
    loop {
        match changes.recv().await {
            Ok(Change { url, connected: true, .. }) => {
                bus.announce(DomainEvent::RelayConnected { url, timestamp: clock.now() })
            }
            Ok(Change { url, reason, .. }) => {
                bus.announce(DomainEvent::RelayDisconnected { url, reason, timestamp: clock.now() })
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

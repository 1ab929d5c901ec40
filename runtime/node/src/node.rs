//! The wiring: a home, a configuration and an identity become a provider with real parts. No decision about a job is made here.

use crate::clock::SystemClock;
use crate::config::{Config, Network};
use crate::guests;
use crate::home::{Home, State};
use crate::presence;
use crate::provider::{Bus, Ports, Provider, Settings};
use anyhow::ensure;
use pylon_adapters::address::Addresses;
use pylon_adapters::inference;
use pylon_adapters::inputs::{self, Fetcher};
use pylon_adapters::journal::{Safe, SqliteJournal};
use pylon_adapters::market::identity::{self, Keys};
use pylon_adapters::market::nostr::{NostrMarket, Options};
use pylon_adapters::market::{Change, Entry};
use pylon_core::event::DomainEvent;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::inference::Inference;
use pylon_core::ports::journal::Journal;
use pylon_core::ports::payments::Wallet;
use pylon_core::sources::Granted;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

/// Parts that a caller brings along.
#[derive(Default)]
pub struct Parts {
    /// Who is paid; without one, jobs are free.
    pub wallet: Option<Arc<dyn Wallet>>,
    /// Instead of the configured backends.
    pub backends: Option<Vec<Arc<dyn Inference>>>,
    /// Who watches.
    pub bus: Bus,
}

/// A node at work.
pub struct Node {
    provider: Provider,
    market: Arc<NostrMarket>,
    journal: Arc<SqliteJournal>,
    watchers: [JoinHandle<()>; 2],
}

/// How long a page or a message may take.
const FETCH_WITHIN: Duration = Duration::from_secs(20);
/// How long taking back the announcement may take.
const WITHDRAW_WITHIN: Duration = Duration::from_secs(5);

impl Node {
    /// Opens everything and begins to take jobs.
    pub async fn start(home: &Home, state: &State, config: &Config, keys: Keys, parts: Parts) -> anyhow::Result<Self> {
        let shipped = guests::load(state.folder("cache")?, config).await?;
        let journal = Arc::new(SqliteJournal::open_with(&home.database(), Safe::new(&identity::purpose_key(&keys, "journal")))?);
        let entry = Entry { keys, urls: config.relays.clone(), kinds: shipped.kinds.clone() };
        let (mut market, changes) = NostrMarket::connect(entry, Options::default()).await?;
        let addresses = Arc::new(Addresses::new(&config.network.allow));
        if config.customer_relays {
            market.reach_customers(Arc::clone(&addresses));
        }
        let market = Arc::new(market);
        let backends = match parts.backends {
            Some(backends) => backends,
            None => vec![Arc::new(inference::llama_cpp(&inference::client()?, &config.inference.llama_cpp.url).await?)
                as Arc<dyn Inference>],
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let relays = tokio::spawn(tell_of_relays(changes, parts.bus.clone(), Arc::clone(&clock)));
        let words =
            presence::Words { name: config.name.clone(), about: config.description.clone(), free: parts.wallet.is_none() };
        let watched = parts.bus.listen();
        let ports = Ports {
            market: market.clone(),
            journal: journal.clone(),
            guests: shipped.guests(),
            wallet: parts.wallet,
            inputs: Arc::new(fetcher(&config.network, addresses, &market)),
            backends,
            clock,
        };
        let settings = Settings {
            default_backend: config.default_backend.clone(),
            default_model: config.default_model.clone(),
            max_concurrent_jobs: config.max_concurrent_jobs as usize,
            max_queued_jobs: config.max_queued_jobs as usize,
        };
        let provider = Provider::start(ports, settings, parts.bus).await?;
        let (backends, speaker) = (Arc::clone(provider.backends()), Arc::clone(&market));
        let announcing = tokio::spawn(presence::run(words, shipped.generations, backends, watched, speaker));
        Ok(Self { provider, market, journal, watchers: [relays, announcing] })
    }

    /// Waits until jobs can arrive.
    pub async fn ready(&self, within: Duration) -> anyhow::Result<()> {
        ensure!(self.market.ready(within).await, "no relay answers: check `relays` and the network");
        Ok(())
    }

    /// What the node has written down.
    pub fn journal(&self) -> &dyn Journal {
        &*self.journal
    }

    /// Takes nothing new, lets what is at work end, sends what waits, and leaves.
    pub async fn stop(self, within: Duration) {
        // Nobody shall be sent here any more; what is at work may still end.
        self.watchers.iter().for_each(JoinHandle::abort);
        tokio::join!(self.market.withdraw(within.min(WITHDRAW_WITHIN)), self.provider.stop(within));
        self.market.close().await;
    }
}

fn fetcher(network: &Network, addresses: Arc<Addresses>, market: &Arc<NostrMarket>) -> Fetcher {
    let options = inputs::Options {
        granted: Granted { urls: network.fetch_urls, events: network.fetch_events, jobs: network.chain_jobs },
        addresses,
        fetch_within: FETCH_WITHIN,
        chain_within: Duration::from_secs(network.chain_wait_seconds.into()),
    };
    Fetcher::new(options, Arc::clone(market))
}

async fn tell_of_relays(mut changes: broadcast::Receiver<Change>, bus: Bus, clock: Arc<dyn Clock>) {
    loop {
        match changes.recv().await {
            Ok(Change { url, connected: true, .. }) => bus.announce(DomainEvent::RelayConnected { url, timestamp: clock.now() }),
            Ok(Change { url, reason, .. }) => {
                bus.announce(DomainEvent::RelayDisconnected { url, reason, timestamp: clock.now() })
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

//! The wiring: a home, a configuration and an identity become a provider with real parts. No decision about a job is made here.

use crate::clock::SystemClock;
use crate::config::Config;
use crate::guests;
use crate::home::{Home, State};
use crate::provider::{Bus, Ports, Provider, Settings};
use anyhow::ensure;
use pylon_adapters::inference;
use pylon_adapters::journal::{Safe, SqliteJournal};
use pylon_adapters::market::identity::{self, Keys};
use pylon_adapters::market::nostr::{NostrMarket, Options};
use pylon_adapters::market::{Change, Entry};
use pylon_core::event::DomainEvent;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::inference::Inference;
use pylon_core::ports::journal::Journal;
use pylon_core::ports::payments::Wallet;
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
    relays: JoinHandle<()>,
}

impl Node {
    /// Opens everything and begins to take jobs.
    pub async fn start(home: &Home, state: &State, config: &Config, keys: Keys, parts: Parts) -> anyhow::Result<Self> {
        let shipped = guests::load(state.folder("cache")?, config).await?;
        let journal = Arc::new(SqliteJournal::open_with(&home.database(), Safe::new(&identity::purpose_key(&keys, "journal")))?);
        let entry = Entry { keys, urls: config.relays.clone(), kinds: shipped.kinds.clone() };
        let (market, changes) = NostrMarket::connect(entry, Options::default()).await?;
        let market = Arc::new(market);
        let backends = match parts.backends {
            Some(backends) => backends,
            None => vec![Arc::new(inference::llama_cpp(&inference::client()?, &config.inference.llama_cpp.url).await?)
                as Arc<dyn Inference>],
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let relays = tokio::spawn(tell_of_relays(changes, parts.bus.clone(), Arc::clone(&clock)));
        let ports = Ports {
            market: market.clone(),
            journal: journal.clone(),
            guests: shipped.guests(),
            wallet: parts.wallet,
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
        Ok(Self { provider, market, journal, relays })
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
        self.provider.stop(within).await;
        self.market.close().await;
        self.relays.abort();
    }
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

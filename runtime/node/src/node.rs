//! The wiring: a home, a configuration and an identity become a provider with real parts. No decision about a job is made here.

use crate::clock::SystemClock;
use crate::config::Config;
use crate::control::Reloaded;
use crate::facts::{Facts, totals};
use crate::guests::{self, Shipped};
use crate::home::{Home, State};
use crate::provider::{Backends, Bus, Ports, Preference, Provider, Settings};
use anyhow::ensure;
use pylon_adapters::inference;
use pylon_adapters::journal::SqliteJournal;
use pylon_adapters::market::identity::Keys;
use pylon_adapters::market::nostr::{NostrMarket, Options};
use pylon_adapters::market::{Change, Entry};
use pylon_core::event::DomainEvent;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::inference::Inference;
use pylon_core::ports::journal::Journal;
use pylon_core::ports::payments::Wallet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, broadcast};
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
    /// Sell nothing: no relay is opened and no job goes on.
    pub host_only: bool,
}

/// A node at work.
pub struct Node {
    seller: Option<Seller>,
    shipped: Shipped,
    facts: Facts,
    /// What holds now.
    config: Mutex<Config>,
}

/// The part of it that sells.
struct Seller {
    provider: Provider,
    market: Arc<NostrMarket>,
    relays: JoinHandle<()>,
}

impl Node {
    /// Opens everything and begins to take jobs.
    pub async fn start(home: &Home, state: &State, config: &Config, keys: Keys, parts: Parts) -> anyhow::Result<Self> {
        let shipped = guests::load(state.folder("cache")?, config).await?;
        let journal = Arc::new(SqliteJournal::open(&home.database())?);
        let before = totals(&journal)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let adapters = match parts.backends {
            Some(adapters) => adapters,
            None => configured(config).await?,
        };
        let backends = Backends::watch(adapters, preference(config), parts.bus.clone(), Arc::clone(&clock)).await;
        let seller = if parts.host_only {
            None
        } else {
            let entry = Entry { keys, urls: config.relays.clone(), kinds: shipped.kinds.clone() };
            let (market, changes) = NostrMarket::connect(entry, Options::default()).await?;
            let market = Arc::new(market);
            let relays = tokio::spawn(tell_of_relays(changes, parts.bus.clone(), Arc::clone(&clock)));
            let ports = Ports {
                market: market.clone(),
                journal: journal.clone(),
                guests: shipped.guests(),
                wallet: parts.wallet,
                backends: Arc::clone(&backends),
                clock,
            };
            Some(Seller { provider: Provider::start(ports, settings(config), parts.bus)?, market, relays })
        };
        let kinds = if seller.is_some() { shipped.kinds.clone() } else { Vec::new() };
        let market = seller.as_ref().map(|seller| Arc::clone(&seller.market));
        let facts = Facts { journal, backends, market, kinds, before };
        Ok(Self { seller, shipped, facts, config: Mutex::new(config.clone()) })
    }

    /// Waits until jobs can arrive.
    pub async fn ready(&self, within: Duration) -> anyhow::Result<()> {
        if let Some(seller) = &self.seller {
            ensure!(seller.market.ready(within).await, "no relay answers: check `relays` and the network");
        }
        Ok(())
    }

    /// What the node has written down.
    pub fn journal(&self) -> &dyn Journal {
        &*self.facts.journal
    }

    /// What can be said of it.
    pub fn facts(&self) -> Facts {
        self.facts.clone()
    }

    /// Works by these settings from now on, as far as it can without a restart. An error has changed nothing.
    pub async fn reload(&self, config: &Config) -> anyhow::Result<Reloaded> {
        let mut running = self.config.lock().await;
        let guests = self.shipped.prepare(&running, config).await?;
        self.shipped.put(guests)?;
        self.facts.backends.prefer(preference(config));
        if let Some(seller) = &self.seller {
            seller.provider.set(settings(config));
        }
        let next = Config { relays: running.relays.clone(), inference: running.inference.clone(), ..config.clone() };
        let reloaded = Reloaded { applied: running.differences(&next), needs_restart: next.differences(config) };
        *running = next;
        Ok(reloaded)
    }

    /// Takes nothing new, lets what is at work end, sends what waits, and leaves.
    pub async fn stop(self, within: Duration) {
        if let Some(Seller { provider, market, relays }) = self.seller {
            provider.stop(within).await;
            market.close().await;
            relays.abort();
        }
    }
}

/// The backends that the settings name, there already or not.
pub(crate) async fn configured(config: &Config) -> anyhow::Result<Vec<Arc<dyn Inference>>> {
    let llama_cpp = inference::llama_cpp(&inference::client()?, &config.inference.llama_cpp.url).await?;
    Ok(vec![Arc::new(llama_cpp)])
}

pub(crate) fn preference(config: &Config) -> Preference {
    Preference { backend: config.default_backend.clone(), model: config.default_model.clone() }
}

fn settings(config: &Config) -> Settings {
    Settings { max_concurrent_jobs: config.max_concurrent_jobs as usize, max_queued_jobs: config.max_queued_jobs as usize }
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

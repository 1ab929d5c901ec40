//! Composes the parts that sell: the market, the inputs, the provider and the announcement.

use crate::announcement::{self, Profile};
use crate::config::Config;
use crate::drain;
use crate::panics;
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
use pylon_nostr::{Entry, RelayChange};
use pylon_provider::{BackendRegistry, Bus, LocalExecutor, Ports, Provider, WorkQueue};
use pylon_slots::Slots;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The timeout for a web page or an event.
const FETCH_TIMEOUT: Duration = Duration::from_secs(20);
/// The timeout for the withdrawal of the announcement.
const WITHDRAW_TIMEOUT: Duration = Duration::from_secs(5);

/// Parts that are shared with the rest of the node.
pub(crate) struct MarketParts {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) backends: Arc<BackendRegistry>,
    pub(crate) wallet: Option<Arc<dyn Wallet>>,
    pub(crate) bus: Bus,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) market: Options,
    /// Cancelled if a worker panics.
    pub(crate) failed: CancellationToken,
}

/// The parts of a node that sell; absent in host mode.
pub(crate) struct MarketService {
    pub(crate) market: Arc<NostrMarket>,
    provider: Provider,
    egress: Arc<EgressPolicy>,
    profile: watch::Sender<Profile>,
    tasks: [JoinHandle<()>; 3],
    clock: Arc<dyn Clock>,
    /// `guest_drain_seconds`.
    drain_seconds: Arc<AtomicU32>,
}

impl MarketService {
    /// Connects to the market and starts to accept jobs.
    pub(crate) async fn open(
        config: &Config,
        keys: Keys,
        guests: &Slots,
        context: MarketParts,
    ) -> anyhow::Result<Self> {
        let MarketParts { journal, backends, wallet, bus, clock, market: options, failed } =
            context;
        let entry = Entry {
            keys,
            urls: config.market.relays.clone(),
            kinds: guests.kinds(),
            clock: Arc::clone(&clock),
        };
        let (market, changes) = NostrMarket::connect(entry, options).await?;
        let egress = Arc::new(EgressPolicy::new(&config.network.allow));
        market.set_customer_relays(config.market.customer_relays.then(|| Arc::clone(&egress)));
        let market = Arc::new(market);
        let reports = report_relays(changes, bus.clone(), Arc::clone(&clock));
        let relays = panics::spawn("relays", failed.clone(), reports);
        let (profile, published) = watch::channel(profile(&config.market, wallet.is_none()));
        let backend_events = bus.listen();
        let ports = Ports {
            market: market.clone(),
            journal: Arc::clone(&journal),
            guests: guests.guests(),
            executor: Arc::new(LocalExecutor::new(guests.guests(), Arc::clone(&backends))),
            observer: guests.observer(),
            wallet,
            inputs: Arc::new(fetcher(&config.network, Arc::clone(&egress), &market)),
            backends: Arc::clone(&backends),
            clock: Arc::clone(&clock),
        };
        let provider = Provider::start(ports, &config.provider, bus)?;
        let announcer = Arc::clone(&market);
        let guest_sets = Arc::clone(&guests.guest_sets);
        let changes =
            announcement::Changes { backends: backend_events, guests: guests.manager.changes() };
        let announcing = announcement::run(published, guest_sets, backends, changes, announcer);
        let announcing = panics::spawn("announcement", failed.clone(), announcing);
        let drain_seconds = Arc::new(AtomicU32::new(config.slots.guest_drain_seconds));
        let manager = Arc::clone(&guests.manager);
        let drain = drain::run(
            manager,
            provider.drainer(),
            journal,
            Arc::clone(&clock),
            Arc::clone(&drain_seconds),
        );
        let drain = panics::spawn("drain", failed, drain);
        Ok(Self {
            market,
            provider,
            egress,
            profile,
            tasks: [relays, announcing, drain],
            clock,
            drain_seconds,
        })
    }

    /// Replaces the relays. An error changes nothing.
    pub(crate) async fn set_relays(&self, relays: &[String]) -> anyhow::Result<()> {
        Ok(self.market.set_relays(relays).await?)
    }

    /// Applies these settings, except for the relays.
    pub(crate) fn set(&self, config: &Config) {
        self.market
            .set_customer_relays(config.market.customer_relays.then(|| Arc::clone(&self.egress)));
        self.profile.send_modify(|current| *current = profile(&config.market, current.free));
        self.provider.apply(&config.provider);
        self.drain_seconds.store(config.slots.guest_drain_seconds, Ordering::Relaxed);
    }

    /// The queue for workers.
    pub(crate) fn work_queue(&self) -> WorkQueue {
        self.provider.work_queue()
    }

    /// Accepts or rejects a result that waits for review.
    pub(crate) async fn review(&self, job: JobId, accept: bool) -> anyhow::Result<()> {
        self.provider.review(job, accept, self.clock.now()).await
    }

    /// Accepts no more jobs, waits for running jobs and outgoing messages, and disconnects.
    pub(crate) async fn stop(self, timeout: Duration) {
        // The announcement ends first; running jobs may still finish.
        self.tasks.iter().for_each(JoinHandle::abort);
        tokio::join!(
            self.market.withdraw(timeout.min(WITHDRAW_TIMEOUT)),
            self.provider.stop(timeout)
        );
        self.market.close().await;
    }
}

fn profile(config: &pylon_nostr::Config, free: bool) -> Profile {
    Profile { name: config.name.clone(), about: config.description.clone(), free }
}

fn fetcher(
    network: &pylon_egress::Config,
    egress: Arc<EgressPolicy>,
    market: &Arc<NostrMarket>,
) -> Fetcher {
    let events = Arc::new(MarketEvents::new(Arc::clone(market), Arc::clone(&egress)));
    let options = inputs::Options {
        granted: Granted {
            urls: network.fetch_urls,
            events: network.fetch_events,
            jobs: network.chain_jobs,
        },
        egress,
        fetch_timeout: FETCH_TIMEOUT,
        chain_timeout: Duration::from_secs(network.chain_wait_seconds.into()),
    };
    Fetcher::new(options, events)
}

/// Emits the connection changes of the relays as events.
async fn report_relays(
    mut changes: broadcast::Receiver<RelayChange>,
    bus: Bus,
    clock: Arc<dyn Clock>,
) {
    loop {
        match changes.recv().await {
            Ok(RelayChange { url, connected: true, .. }) => {
                bus.emit(DomainEvent::RelayConnected { url, timestamp: clock.now() })
            }
            Ok(RelayChange { url, reason, .. }) => {
                bus.emit(DomainEvent::RelayDisconnected { url, reason, timestamp: clock.now() })
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

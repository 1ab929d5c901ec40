//! Composes a node from a home, settings and an identity. No decision about a job is made here.

use crate::clock::SystemClock;
use crate::config::Config;
use crate::control::{NodeStatus, totals};
use crate::home::{Home, StateDir};
use crate::market_service::{self, MarketService};
use crate::panics;
use crate::retention;
use crate::secret_file;
use anyhow::{Context, ensure};
use pylon_control_api::Reloaded;
use pylon_core::JobId;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::inference::Inference;
use pylon_core::ports::installations::Installations;
use pylon_core::ports::journal::Journal;
use pylon_core::ports::payments::Wallet;
use pylon_core::settings::InvalidSetting;
use pylon_core::slots::{SlotChange, SlotStatus};
use pylon_egress::policy::EgressPolicy;
use pylon_journal::{SqliteJournal, TextCipher};
use pylon_nostr::identity::{self, Keys};
use pylon_nostr::market::Options;
use pylon_provider::{BackendRegistry, Bus, Preference};
use pylon_sandbox::Compilation;
use pylon_slots::{InstallFailure, SlotHistory, Slots, supervisor};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Requests older than this at the first start are ignored: other providers have answered them.
const BEFORE_FIRST_START_SECONDS: u64 = 300;

/// Parts that the caller provides.
#[derive(Default)]
pub struct Parts {
    /// The wallet; without one, jobs are free.
    pub wallet: Option<Arc<dyn Wallet>>,
    /// Backends that replace the configured ones.
    pub backends: Option<Vec<Arc<dyn Inference>>>,
    /// The bus for events.
    pub bus: Bus,
    /// Host mode: no relay is opened and no job runs.
    pub host_only: bool,
    /// Options of the relay connections.
    pub market: Options,
    /// The compiler of guests.
    pub compilation: Compilation,
}

/// A running node.
pub struct Node {
    market: Option<MarketService>,
    guests: Slots,
    supervisor: JoinHandle<()>,
    status: NodeStatus,
    /// The settings in effect.
    config: Mutex<Config>,
    /// Cancelled if a worker panicked.
    failed: CancellationToken,
}

impl Node {
    /// Opens all parts and starts to accept jobs.
    pub async fn start(
        home: &Home,
        state: &StateDir,
        config: &Config,
        keys: Keys,
        parts: Parts,
    ) -> anyhow::Result<Self> {
        let Parts { wallet, backends, bus, host_only, market, compilation } = parts;
        // Another thread reserves the pools and loads the code while this one opens the rest.
        let (cache, store) = (state.folder("cache")?, state.components()?);
        let rules = config.slots.lockdown.clone();
        let sandbox =
            tokio::task::spawn_blocking(move || pylon_slots::sandbox(cache, compilation, &rules));
        let journal = Arc::new(SqliteJournal::open_with(
            &home.database(),
            TextCipher::new(&identity::purpose_key(&keys, "journal")),
        )?);
        retention::start(&journal, &config.journal);
        let at_start = totals(&journal)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let history = SlotHistory {
            installations: journal.installations()?,
            pending: journal.pending_guests()?,
        };
        let (audit, settings, now) = (Arc::clone(&journal), config.slots.clone(), clock.now());
        let egress = EgressPolicy::new(&config.network.allow);
        let since =
            history.first_change().unwrap_or(now).min(now).minus(BEFORE_FIRST_START_SECONDS);
        let market = Options { since: market.since.max(since), ..market };
        let guests = tokio::spawn(async move {
            let sandbox = sandbox.await??;
            Slots::open(sandbox, store, history, &settings, egress, Some(&*audit), now).await
        });
        let adapters = match backends {
            Some(adapters) => adapters,
            None => configured(config).await?,
        };
        let backends =
            BackendRegistry::watch(adapters, preference(config), bus.clone(), Arc::clone(&clock))
                .await;
        backends.preference_warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        let (guests, reports) = guests.await.context("cannot load the guests")??;
        let unfinished = journal.unfinished()?;
        let needed = unfinished
            .iter()
            .filter(|job| !job.execution.is_over())
            .map(|job| (job.revision, job.kind));
        guests.restore(needed.collect(), clock.now()).await;
        let supervisor = supervisor::run(
            reports,
            Arc::clone(&guests.manager),
            journal.clone(),
            Arc::clone(&clock),
        );
        let failed = CancellationToken::new();
        let supervisor = panics::spawn("guests", failed.clone(), supervisor);
        let service = if host_only {
            None
        } else {
            let context = market_service::MarketParts {
                journal: journal.clone(),
                backends: Arc::clone(&backends),
                wallet,
                bus,
                clock,
                market,
                failed: failed.clone(),
            };
            Some(MarketService::open(config, keys, &guests, context).await?)
        };
        let served = service.is_some().then(|| Arc::clone(&guests.guest_sets));
        let market = service.as_ref().map(|service| Arc::clone(&service.market));
        let work_queue = service.as_ref().map(MarketService::work_queue);
        let status = NodeStatus {
            journal,
            backends,
            market,
            work_queue,
            served,
            manager: Arc::clone(&guests.manager),
            at_start,
        };
        let config = Mutex::new(config.clone());
        Ok(Self { market: service, guests, supervisor, status, config, failed })
    }

    /// Resolves if a worker of the node panicked.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Waits until a relay is connected.
    pub async fn ready(&self, timeout: Duration) -> anyhow::Result<()> {
        if let Some(service) = &self.market {
            ensure!(
                service.market.ready(timeout).await,
                "no relay responds: check `relays` and the network"
            );
        }
        Ok(())
    }

    /// The journal.
    pub fn journal(&self) -> &dyn Journal {
        &*self.status.journal
    }

    /// A view of the node's status.
    pub fn status(&self) -> NodeStatus {
        self.status.clone()
    }

    /// Applies the settings that need no restart. An error changes nothing.
    pub async fn reload(&self, config: &Config) -> anyhow::Result<Reloaded> {
        let mut running = self.config.lock().await;
        let next = running.reloaded(config);
        let relays = self.set_relays(&next);
        let reloaded = self
            .guests
            .manager
            .reload(&next.slots, &*self.status.journal, SystemClock.now(), relays)
            .await;
        if let Err(error) = reloaded {
            // The relays may have been replaced already.
            self.set_relays(&running).await?;
            return Err(error);
        }
        if let Some(service) = &self.market {
            service.set(&next);
        }
        self.status.backends.prefer(preference(&next));
        self.status.journal.set_retention(next.journal.retention());
        let jobs = self.status.journal.unfinished().unwrap_or_default();
        let refused_guests =
            self.guests.manager.refused_guests_warning(&jobs, SystemClock.now()).await;
        let warnings = Vec::from_iter(
            self.status.backends.preference_warnings().into_iter().chain(refused_guests),
        );
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let applied = running.differences(&next);
        let reloaded = Reloaded { applied, needs_restart: next.differences(config), warnings };
        *running = next;
        Ok(reloaded)
    }

    async fn set_relays(&self, config: &Config) -> anyhow::Result<()> {
        match &self.market {
            Some(service) => service.set_relays(&config.market.relays).await,
            None => Ok(()),
        }
    }

    /// Changes a slot for all later jobs. An error changes nothing.
    pub async fn change(&self, change: &SlotChange) -> Result<SlotStatus, InstallFailure> {
        self.guests.manager.apply(change, &*self.status.journal, SystemClock.now()).await
    }

    /// Accepts or rejects a result that waits for review.
    pub async fn review(&self, job: JobId, accept: bool) -> anyhow::Result<()> {
        let service = self.market.as_ref().context(
            "this node runs in host mode, which has no jobs: restart it without `--mode host`",
        )?;
        service.review(job, accept).await
    }

    /// Accepts no more jobs, waits for running jobs and outgoing messages, and disconnects.
    pub async fn stop(self, timeout: Duration) {
        self.supervisor.abort();
        if let Some(service) = self.market {
            service.stop(timeout).await;
        }
    }
}

/// The configured backends, available or not.
pub async fn configured(config: &Config) -> anyhow::Result<Vec<Arc<dyn Inference>>> {
    let secret = |path: &Path| match secret_file::read(path, "write the key to it") {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err(format!("there is no {}", path.display())),
        Err(error) => Err(format!("{error:#}")),
    };
    let built = config.inference.build(&pylon_egress::http::client()?, &secret).await;
    built.map_err(|InvalidSetting { mut key, message }| {
        key.pop();
        anyhow::anyhow!("[{}] {message}", key.join("."))
    })
}

/// The preferred backend and model, and the price factors.
pub fn preference(config: &Config) -> Preference {
    let config = &config.inference;
    Preference {
        backend: config.default_backend.clone(),
        model: config.default_model.clone(),
        price_permille: config.price_permille.clone(),
    }
}

//! The wiring: a home, a configuration and an identity become a node with real parts. No decision about a job is made here.

use crate::clock::SystemClock;
use crate::config::Config;
use crate::control::{Facts, totals};
use crate::home::{Home, State};
use crate::retention;
use crate::seller::{self, Seller};
use anyhow::{Context, ensure};
use pylon_adapters::inference;
use pylon_control_api::Reloaded;
use pylon_core::JobId;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::inference::Inference;
use pylon_core::ports::installations::Installations;
use pylon_core::ports::journal::Journal;
use pylon_core::ports::payments::Wallet;
use pylon_core::slots::{SlotChange, SlotStatus};
use pylon_egress::policy::EgressPolicy;
use pylon_journal::{SqliteJournal, TextCipher};
use pylon_nostr::identity::{self, Keys};
use pylon_nostr::market::Options;
use pylon_provider::{Backends, Bus, Preference};
use pylon_sandbox::Compilation;
use pylon_slots::{InstallFailure, SlotHistory, Slots, supervisor};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// A node looks no further back than this from its first start: what is older, others have answered.
const BEFORE_FIRST_SECONDS: u64 = 300;

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
    /// How relays are dealt with.
    pub market: Options,
    /// Who compiles guests.
    pub compilation: Compilation,
}

/// A node at work.
pub struct Node {
    seller: Option<Seller>,
    guests: Slots,
    supervisor: JoinHandle<()>,
    facts: Facts,
    /// What holds now.
    config: Mutex<Config>,
}

impl Node {
    /// Opens everything and begins to take jobs.
    pub async fn start(
        home: &Home,
        state: &State,
        config: &Config,
        keys: Keys,
        parts: Parts,
    ) -> anyhow::Result<Self> {
        let Parts { wallet, backends, bus, host_only, market, compilation } = parts;
        // Pools are reserved and code is read and checked on another thread, while this one opens the rest.
        let (cache, store) = (state.folder("cache")?, state.components()?);
        let rules = config.slots.lockdown.clone();
        let sandbox =
            tokio::task::spawn_blocking(move || pylon_slots::sandbox(cache, compilation, &rules));
        let journal = Arc::new(SqliteJournal::open_with(
            &home.database(),
            TextCipher::new(&identity::purpose_key(&keys, "journal")),
        )?);
        retention::watch(&journal, &config.journal);
        let before = totals(&journal)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let history = SlotHistory {
            installations: journal.installations()?,
            pending: journal.pending_guests()?,
        };
        let (book, settings, now) = (Arc::clone(&journal), config.slots.clone(), clock.now());
        let addresses = EgressPolicy::new(&config.network.allow);
        let since = history.first_change().unwrap_or(now).min(now).minus(BEFORE_FIRST_SECONDS);
        let market = Options { since: market.since.max(since), ..market };
        let guests = tokio::spawn(async move {
            let sandbox = sandbox.await??;
            Slots::open(sandbox, store, history, &settings, addresses, Some(&*book), now).await
        });
        let adapters = match backends {
            Some(adapters) => adapters,
            None => configured(config).await?,
        };
        let backends =
            Backends::watch(adapters, preference(config), bus.clone(), Arc::clone(&clock)).await;
        if let Some(warning) = backends.misfit() {
            tracing::warn!("{warning}");
        }
        let (guests, reports) = guests.await.context("the guests cannot be loaded")??;
        let unfinished = journal.unfinished()?;
        let kept = unfinished
            .iter()
            .filter(|job| !job.is_over())
            .map(|job| (job.plan.revision, job.job.kind));
        guests.restore(kept.collect(), clock.now()).await;
        let supervisor = supervisor::run(
            reports,
            Arc::clone(&guests.manager),
            journal.clone(),
            Arc::clone(&clock),
        );
        let supervisor = tokio::spawn(supervisor);
        let seller = if host_only {
            None
        } else {
            let shared = seller::Shared {
                journal: journal.clone(),
                backends: Arc::clone(&backends),
                wallet,
                bus,
                clock,
                market,
            };
            Some(Seller::open(config, keys, &guests, shared).await?)
        };
        let served = seller.is_some().then(|| Arc::clone(&guests.guest_sets));
        let market = seller.as_ref().map(|seller| Arc::clone(&seller.market));
        let facts = Facts {
            journal,
            backends,
            market,
            served,
            manager: Arc::clone(&guests.manager),
            before,
        };
        Ok(Self { seller, guests, supervisor, facts, config: Mutex::new(config.clone()) })
    }

    /// Waits until jobs can arrive.
    pub async fn ready(&self, within: Duration) -> anyhow::Result<()> {
        if let Some(seller) = &self.seller {
            ensure!(
                seller.market.ready(within).await,
                "no relay answers: check `relays` and the network"
            );
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
        let next = running.reloaded(config);
        let relays = self.relays(&next);
        let done = self
            .guests
            .manager
            .reload(&next.slots, &*self.facts.journal, SystemClock.now(), relays)
            .await;
        if let Err(error) = done {
            // They may have moved already.
            self.relays(&running).await?;
            return Err(error);
        }
        if let Some(seller) = &self.seller {
            seller.set(&next);
        }
        self.facts.backends.prefer(preference(&next));
        self.facts.journal.set_retention(retention::of(&next.journal));
        let jobs = self.facts.journal.unfinished().unwrap_or_default();
        let refused_guests =
            self.guests.manager.refused_guests_warning(&jobs, SystemClock.now()).await;
        let warnings =
            Vec::from_iter(self.facts.backends.misfit().into_iter().chain(refused_guests));
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let applied = running.differences(&next);
        let reloaded = Reloaded { applied, needs_restart: next.differences(config), warnings };
        *running = next;
        Ok(reloaded)
    }

    async fn relays(&self, config: &Config) -> anyhow::Result<()> {
        match &self.seller {
            Some(seller) => seller.move_to(&config.market.relays).await,
            None => Ok(()),
        }
    }

    /// Changes a slot for all jobs from now on, or leaves everything as it was.
    pub async fn change(&self, change: &SlotChange) -> Result<SlotStatus, InstallFailure> {
        self.guests.manager.apply(change, &*self.facts.journal, SystemClock.now()).await
    }

    /// Sends a result that waits for the operator, or does not.
    pub async fn review(&self, job: JobId, release: bool) -> anyhow::Result<()> {
        let seller = self.seller.as_ref().context("this node sells nothing (`--mode host`)")?;
        seller.review(job, release).await
    }

    /// Takes nothing new, lets what is at work end, sends what waits, and leaves.
    pub async fn stop(self, within: Duration) {
        self.supervisor.abort();
        if let Some(seller) = self.seller {
            seller.stop(within).await;
        }
    }
}

/// The backends that the settings name, there already or not.
pub async fn configured(config: &Config) -> anyhow::Result<Vec<Arc<dyn Inference>>> {
    let llama_cpp = inference::llama_cpp(
        &pylon_egress::http::client()?,
        &config.inference.inference.llama_cpp.url,
    )
    .await?;
    Ok(vec![Arc::new(llama_cpp)])
}

pub fn preference(config: &Config) -> Preference {
    let config = &config.inference;
    Preference { backend: config.default_backend.clone(), model: config.default_model.clone() }
}

//! `pylon demo`: paid jobs on one machine, with a relay in this process, a node in a temporary
//! home, and customers with other keys. Only the money is play money.

mod backend;
mod customer;
mod prompts;
mod session;
mod steps;

use crate::earnings;
use crate::subprocess_compiler::subprocess_compiler;
use anyhow::{Context, bail};
use customer::{Customer, PROFILES};
use pylon_adapters::payments::play_money::PlayBank;
use pylon_control_api::Refused;
use pylon_core::Msat;
use pylon_core::ports::clock::Clock;
use pylon_node::clock::SystemClock;
use pylon_node::config::Config;
use pylon_node::home::Home;
use pylon_node::identity::Identity;
use pylon_node::lock::LockHolder;
use pylon_node::node::{Node, Parts};
use pylon_nostr::buyer::{Buyer, Network};
use pylon_nostr::identity::{Keys, npub, parse_secret, public_key, purpose_key};
use pylon_nostr::relay::InProcessRelay;
use pylon_provider::Bus;
use session::Session;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use steps::{DemoStep, Renderer};

/// The timeout for the node's connection to the relay.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout for the stop of the node.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The customers' initial balance, together.
const INITIAL_BALANCE: Msat = Msat::new(100_000_000);
/// Earnings listed at the end.
const EARNINGS_MAX: usize = 10;

/// The options of the demo.
pub(crate) struct Options {
    /// The address of an inference server.
    pub(crate) backend: Option<String>,
    /// Print JSON instead of text.
    pub(crate) json: bool,
    /// The number of jobs.
    pub(crate) jobs: usize,
    /// The folder in which the home is kept.
    pub(crate) keep: Option<PathBuf>,
}

/// Runs the demo.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let mut renderer = Renderer::new(options.json);
    let root = Root::new(options.keep.clone())?;
    let home = Home::at(root.path());
    let state = home.open()?;
    let _lock = state.lock(LockHolder::Command)?;
    let (cache, logs) = (Home::from_env()?.cache_dir(), home.logs_dir());
    let chosen = backend::choose(options.backend.as_deref(), &cache, &logs, &mut renderer).await?;

    let relay = InProcessRelay::start().await?;
    let relays = vec![relay.url().to_owned()];
    renderer.show(&DemoStep::Ready {
        part: "relay",
        detail: format!("{} in this process", relay.url()),
    })?;
    let provider = if home.identity_file().exists() {
        Identity::load(&home)?
    } else {
        Identity::create(&home)?.0
    };
    let config = Config {
        market: pylon_nostr::Config { relays: relays.clone(), ..pylon_nostr::Config::default() },
        ..Config::default()
    };
    let bank = PlayBank::open(&relays, INITIAL_BALANCE, Arc::new(SystemClock))?;
    let bus = Bus::default();
    let parts = Parts {
        wallet: Some(Arc::new(bank.wallet())),
        backends: Some(vec![chosen.adapter]),
        bus: bus.clone(),
        compilation: subprocess_compiler()?,
        ..Parts::default()
    };
    let node = Node::start(&home, &state, &config, provider.keys().clone(), parts).await?;
    node.ready(READY_TIMEOUT).await?;
    let detail = format!("{}, home {}", provider.npub(), root.path().display());
    renderer.show(&DemoStep::Ready { part: "provider", detail })?;
    let mut customers = Vec::new();
    for (number, profile) in PROFILES.iter().take(options.jobs).enumerate() {
        let keys = customer_keys(provider.keys(), number)?;
        let buyer = Buyer::connect(keys.clone(), &relays).await?;
        let detail = match number {
            0 => format!("{}, {} play sats", npub(&keys), bank.customer_balance().sats()),
            _ => format!("{}, bids {}", npub(&keys), profile.bid),
        };
        renderer.show(&DemoStep::Ready { part: "customer", detail })?;
        let (provider, network) = (public_key(provider.keys()), Network::expected_on(&relays));
        customers.push(Customer { buyer, bank: bank.clone(), provider, network, profile });
    }

    let mut session = Session { node, bus, renderer };
    let outcome = session.run(&mut customers, options.jobs).await;
    let Session { node, renderer, .. } = session;
    let earned = node.journal().earnings(EARNINGS_MAX);
    for customer in customers {
        customer.buyer.disconnect().await;
    }
    node.stop(STOP_TIMEOUT).await;
    if let Some(server) = chosen.server {
        server.stop().await?;
    }
    outcome?;
    renderer.finish(
        &earnings::table(&earned?, &Refused::default(), EARNINGS_MAX, SystemClock.now()),
        options.keep.as_deref().map(|_| home.database()),
    )?;
    Ok(())
}

/// The same in every demo of this home, so that a customer has a history.
fn customer_keys(provider: &Keys, number: usize) -> anyhow::Result<Keys> {
    let secret = purpose_key(provider, &format!("demo customer {number}"));
    Ok(parse_secret(&hex::encode(secret))?)
}

/// The root folder of the demo.
enum Root {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Root {
    fn new(keep: Option<PathBuf>) -> anyhow::Result<Self> {
        match keep {
            Some(path) => {
                std::fs::create_dir_all(&path)
                    .with_context(|| format!("cannot create {}", path.display()))?;
                claim(&path)?;
                Ok(Self::Kept(path))
            }
            None => Ok(Self::Temporary(
                tempfile::tempdir().context("cannot create a temporary folder: set TMPDIR")?,
            )),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// Marks the folder as the demo's. A folder with other files is refused, so that play money never
/// gets into a real journal.
fn claim(path: &Path) -> anyhow::Result<()> {
    let mark = path.join("pylon-demo");
    let in_use = || std::fs::read_dir(path).map(|mut entries| entries.next().is_some());
    if !mark.exists() && in_use().with_context(|| format!("cannot read {}", path.display()))? {
        bail!("{} has files that no demo created: choose a new folder", path.display());
    }
    std::fs::write(&mark, "Play money only.\n")
        .with_context(|| format!("cannot write {}", mark.display()))
}

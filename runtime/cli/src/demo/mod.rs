//! `pylon demo`: the way of a paid job for real, on one machine: a relay in this process, a provider in a temporary home, and a customer
//! with another key. Only the money is play money.

mod backend;
mod customer;
mod moment;
mod prompts;

use crate::commands::compile_component::apart;
use crate::earnings;
use crate::progress::Progress as Shown;
use anyhow::{Context, bail};
use customer::{BID, Customer, KIND};
use moment::{GuestCall, Moment, Screen, Summary, Total};
use prompts::PROMPTS;
use pylon_adapters::payments::play_money::PlayBank;
use pylon_control_api::Refused;
use pylon_core::event::DomainEvent;
use pylon_core::ports::clock::Clock;
use pylon_core::{JobId, Msat};
use pylon_node::clock::SystemClock;
use pylon_node::config::{Config, MarketConfig};
use pylon_node::home::{Holder, Home};
use pylon_node::identity::Identity;
use pylon_node::node::{Node, Parts};
use pylon_nostr::buyer::{Buyer, ProviderMessage};
use pylon_nostr::identity::{generate, keys, npub, public_key};
use pylon_nostr::nip90::FeedbackStatus;
use pylon_nostr::relay::InProcessRelay;
use pylon_provider::{Bus, Observation, Step};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// How long one job may take: a crowded machine is slow.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long the node may take to be on the market.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long the node may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// What the customer begins with.
const PURSE: Msat = Msat::new(100_000_000);
/// Earnings listed at the end.
const EARNINGS_SHOWN: usize = 10;

/// What the operator asked for.
pub(crate) struct Options {
    /// A server to use.
    pub(crate) backend: Option<String>,
    /// JSON instead of lines.
    pub(crate) json: bool,
    /// How many jobs.
    pub(crate) jobs: usize,
    /// Where to keep the home.
    pub(crate) keep: Option<PathBuf>,
}

/// Runs the demo.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let mut screen = Screen::new(options.json);
    let place = Place::new(options.keep.clone())?;
    let home = Home::at(place.path());
    let state = home.open()?;
    let _lock = state.lock(Holder::Command)?;
    let (cache, logs) = (Home::from_env()?.cache_dir(), home.logs_dir());
    let chosen = backend::choose(options.backend.as_deref(), &cache, &logs, &mut screen).await?;

    let relay = InProcessRelay::start().await?;
    let relays = vec![relay.url().to_owned()];
    screen.show(&Moment::Ready {
        what: "relay",
        detail: format!("{} in this process", relay.url()),
    })?;
    let provider = if home.identity_file().exists() {
        Identity::load(&home)?
    } else {
        Identity::create(&home)?.0
    };
    let config = Config {
        market: MarketConfig { relays: relays.clone(), ..MarketConfig::default() },
        ..Config::default()
    };
    let bank = PlayBank::open(&relays, PURSE, Arc::new(SystemClock))?;
    let bus = Bus::default();
    let parts = Parts {
        wallet: Some(Arc::new(bank.wallet())),
        backends: Some(vec![chosen.adapter]),
        bus: bus.clone(),
        compilation: apart()?,
        ..Parts::default()
    };
    let node = Node::start(&home, &state, &config, provider.keys().clone(), parts).await?;
    node.ready(READY_WITHIN).await?;
    let detail = format!("{}, home {}", provider.npub(), place.path().display());
    screen.show(&Moment::Ready { what: "provider", detail })?;
    let keys_of_customer = keys(&generate()?)?;
    let buyer = Buyer::connect(keys_of_customer.clone(), &relays).await?;
    let purse =
        format!("{}, {} play sats", npub(&keys_of_customer), bank.customer_balance().sats());
    screen.show(&Moment::Ready { what: "customer", detail: purse })?;
    let customer = Customer { buyer, bank, provider: public_key(provider.keys()) };

    let mut stage = Stage { node, customer, bus, screen };
    let outcome = stage.play(options.jobs).await;
    let Stage { node, customer, screen, .. } = stage;
    let books = node.journal().earnings(EARNINGS_SHOWN);
    customer.buyer.disconnect().await;
    node.stop(STOP_WITHIN).await;
    if let Some(server) = chosen.server {
        server.stop().await?;
    }
    outcome?;
    screen.farewell(
        &earnings::table(&books?, &Refused::default(), EARNINGS_SHOWN, SystemClock.now()),
        options.keep.as_deref().map(|_| home.database()),
    )?;
    Ok(())
}

/// Where the demo's home is: kept, or gone with the demo.
enum Place {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Place {
    fn new(keep: Option<PathBuf>) -> anyhow::Result<Self> {
        match keep {
            Some(path) => {
                std::fs::create_dir_all(&path)
                    .with_context(|| format!("{} cannot be made", path.display()))?;
                claim(&path)?;
                Ok(Self::Kept(path))
            }
            None => Ok(Self::Temporary(
                tempfile::tempdir().context("no room for a temporary home: set TMPDIR")?,
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

/// Play money stays out of real books: a folder that the demo did not fill is not touched.
fn claim(path: &Path) -> anyhow::Result<()> {
    let mark = path.join("pylon-demo");
    let in_use = || std::fs::read_dir(path).map(|mut entries| entries.next().is_some());
    if !mark.exists() && in_use().with_context(|| format!("{} cannot be read", path.display()))? {
        bail!("{} holds something that is not a demo's: name a new folder", path.display());
    }
    std::fs::write(&mark, "Play money only.\n")
        .with_context(|| format!("{} cannot be written", mark.display()))
}

struct Stage {
    node: Node,
    customer: Customer,
    bus: Bus,
    screen: Screen,
}

/// What is known of a job while it goes on.
#[derive(Default)]
struct Progress {
    text: String,
    guests: Vec<GuestCall>,
    node_overhead_us: u64,
    /// The work is over.
    over: bool,
    /// The customer has all it will get.
    answered: bool,
    /// An invoice is paid and not yet in the books.
    paying: bool,
    error: Option<String>,
}

impl Stage {
    async fn play(&mut self, jobs: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut total = Total { jobs, completed: 0, earned_msats: 0, elapsed_ms: 0 };
        // Where the moments go elsewhere, a terminal still shows how far it is.
        let shown = Shown::beside_output("jobs", jobs as u64);
        for (number, prompt) in PROMPTS.iter().cycle().take(jobs).enumerate() {
            shown.at(number as u64);
            // Requests of one second that say the same would be one event.
            let prompt = if number < PROMPTS.len() {
                (*prompt).to_owned()
            } else {
                format!("{prompt} ({})", number + 1)
            };
            let mut summary = tokio::time::timeout(PATIENCE, self.job(&prompt, (number + 1, jobs)))
                .await
                .context("the job takes too long")??;
            total.completed += usize::from(summary.status == "completed");
            total.earned_msats += summary.earned_msats;
            total.elapsed_ms = millis(begun);
            if jobs > 1 && number + 1 == jobs {
                summary.total = Some(total.clone());
            }
            self.screen.show(&Moment::Summary(Box::new(summary)))?;
        }
        if total.completed < jobs {
            bail!("{} of {jobs} jobs have no result", jobs - total.completed);
        }
        Ok(())
    }

    /// One job, from the request to the books.
    async fn job(&mut self, prompt: &str, (number, of): (usize, usize)) -> anyhow::Result<Summary> {
        let mut seen = self.bus.listen();
        self.screen.restart_clock();
        let begun = Instant::now();
        let job = self.customer.ask(prompt).await?;
        let (id, bid_msats) = (job.to_hex(), BID.get());
        self.screen.show(&Moment::Request {
            job: id,
            number,
            of,
            kind: KIND,
            prompt: prompt.into(),
            bid_msats,
        })?;
        let mut progress = Progress::default();
        while !(progress.answered && progress.over && !progress.paying) {
            tokio::select! {
                observation = seen.recv() => match observation {
                    Ok(observation) => self.observe(job, observation, &mut progress)?,
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => bail!("the node is gone"),
                },
                heard = self.customer.hear(job) => self.hear(prompt, job, heard?, &mut progress).await?,
            }
        }
        self.summary(job, begun, progress)
    }

    /// The node at work.
    fn observe(
        &mut self,
        job: JobId,
        observation: Observation,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        match observation {
            Observation::Step(of, Step::Native { what, micros }) if of == job => {
                self.screen.show(&Moment::Native { job: job.to_hex(), what, us: micros })?;
            }
            Observation::Step(of, Step::Guest { function, call, said }) if of == job => {
                let guest = GuestCall::from(&call);
                progress.guests.push(guest.clone());
                self.screen.show(&Moment::Guest { job: job.to_hex(), function, guest, said })?;
            }
            Observation::Step(of, Step::Over { node_micros }) if of == job => {
                progress.over = true;
                progress.node_overhead_us = node_micros;
            }
            Observation::Event(DomainEvent::PaymentReceived { job_id, amount_msats, .. })
                if job_id == job =>
            {
                progress.paying = false;
                self.screen.show(&Moment::Earned {
                    job: job.to_hex(),
                    amount_msats: amount_msats.get(),
                })?;
            }
            Observation::Event(_) | Observation::Step(..) => {}
        }
        Ok(())
    }

    /// The customer at the other end.
    async fn hear(
        &mut self,
        prompt: &str,
        job: JobId,
        heard: ProviderMessage,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        let id = job.to_hex();
        match heard {
            ProviderMessage::Feedback(feedback) if feedback.status == FeedbackStatus::Partial => {
                self.read(job, &feedback.content, progress)?
            }
            ProviderMessage::Feedback(feedback) => {
                let status = feedback.status.as_str().to_owned();
                if feedback.status == FeedbackStatus::Error {
                    progress.answered = true;
                    progress.over = true;
                    progress.error = Some(feedback.message.clone());
                }
                self.screen.show(&Moment::Feedback { job: id, status, words: feedback.message })?;
            }
            ProviderMessage::Unreadable { why, .. } => {
                bail!("the provider's answer cannot be read: {why}")
            }
            ProviderMessage::Result(result) => {
                self.read(job, &result.content, progress)?;
                let amount_msats = result.due.as_ref().map_or(0, |(amount, _)| amount.get());
                let bolt11 = result.due.as_ref().and_then(|(_, bolt11)| bolt11.clone());
                progress.paying = bolt11.is_some();
                progress.answered = true;
                self.screen.show(&Moment::Result {
                    job: id.clone(),
                    kind: KIND + 1000,
                    amount_msats,
                    bolt11,
                })?;
                if let Some(preimage) = self.customer.pay(prompt, &result)? {
                    self.screen.show(&Moment::Paid {
                        job: id,
                        amount_msats,
                        preimage: hex::encode(preimage),
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Partial results carry all of the text so far, and may come in any order.
    fn read(&mut self, job: JobId, text: &str, progress: &mut Progress) -> anyhow::Result<()> {
        if let Some(more) = text.strip_prefix(&progress.text).filter(|more| !more.is_empty()) {
            self.screen.show(&Moment::Text { job: job.to_hex(), text: more.into() })?;
            progress.text = text.into();
        }
        Ok(())
    }

    fn summary(&self, job: JobId, begun: Instant, progress: Progress) -> anyhow::Result<Summary> {
        let Some(state) = self.node.journal().job(job)? else {
            bail!("the job was refused: {}", progress.error.unwrap_or_default());
        };
        let evidence = state.evidence.as_ref();
        Ok(Summary {
            job: job.to_hex(),
            kind: state.job.kind,
            status: state.execution.as_str().into(),
            backend: evidence
                .map(|evidence| evidence.route.target.backend().into())
                .unwrap_or_default(),
            model: evidence
                .map(|evidence| evidence.route.target.model().into())
                .unwrap_or_default(),
            input_tokens: evidence.map_or(0, |evidence| evidence.usage.input_tokens),
            output_tokens: evidence.map_or(0, |evidence| evidence.usage.output_tokens),
            guests: progress.guests,
            amount_msats: state.due.get(),
            settlement: state.settlement.as_str().into(),
            earned_msats: state.paid.get(),
            elapsed_ms: millis(begun),
            node_overhead_us: progress.node_overhead_us,
            total: None,
        })
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

//! `pylon job`: buying from others, with this node's identity.

mod submit;
mod tell;

use crate::cli::job::{CancelArgs, JobArgs, JobCommand, ListArgs};
use crate::clock::SystemClock;
use crate::home::Home;
use crate::identity::Identity;
use crate::log;
use crate::output::{note, say, table};
use crate::purchases::{Purchase, Purchases};
use crate::units::ago;
use anyhow::{Context, Result, bail};
use pylon_adapters::market::buyer::{Desk, Heard, Request};
use pylon_adapters::market::identity::npub_of;
use pylon_adapters::market::nip90::Delivered;
use pylon_core::Msat;
use pylon_core::ports::clock::Clock as _;
use serde_json::json;

/// Runs the command.
pub fn run(command: &JobCommand) -> Result<()> {
    log::install(log::COMMAND)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no thread to run on")?;
    runtime.block_on(async {
        match command {
            JobCommand::Submit(args) => submit::run(args).await,
            JobCommand::Status(args) => status(args).await,
            JobCommand::Results(args) => results(args).await,
            JobCommand::Cancel(args) => cancel(args).await,
            JobCommand::List(args) => list(args),
        }
    })
}

/// What was bought, and a connection to where it was asked for.
struct Counter {
    request: Request,
    bid: Option<Msat>,
    desk: Desk,
}

impl Counter {
    async fn open(job: &str) -> Result<Self> {
        let home = Home::from_env()?;
        let purchase: Purchase = Purchases::open(&home.open()?)?.find(job)?;
        let desk = Desk::open(Identity::load(&home)?.keys().clone(), &purchase.relays).await?;
        Ok(Self { request: purchase.request()?, bid: purchase.bid, desk })
    }

    async fn said(&self) -> Vec<Heard> {
        self.desk.said(&self.request).await
    }
}

async fn status(args: &JobArgs) -> Result<()> {
    let counter = Counter::open(&args.job).await?;
    let standings = tell::standings(&counter.request, &counter.said().await);
    if args.json {
        let facts = json!({"job": counter.request.id(), "kind": counter.request.kind(), "providers": standings});
        return say(&format!("{facts}\n"));
    }
    let mut out = format!("Job {} (kind {})\n", counter.request.id(), counter.request.kind());
    if standings.is_empty() {
        out.push_str("No provider has answered.\n");
    }
    for standing in standings {
        out.push_str(&format!("  {standing}\n"));
    }
    say(&out)
}

async fn results(args: &JobArgs) -> Result<()> {
    let counter = Counter::open(&args.job).await?;
    let (good, bad): (Vec<Delivered>, Vec<_>) = tell::sort(&counter.request, counter.said().await);
    for (provider, why) in bad {
        note(&format!("pylon: a result of {} is not shown: {why}", npub_of(provider)));
    }
    if good.is_empty() {
        bail!("no result yet: `pylon job status {}` says how it stands", counter.request.id().short());
    }
    good.iter().try_for_each(|result| say(&tell::result(&counter.request, result, counter.bid, args.json)))
}

async fn cancel(args: &CancelArgs) -> Result<()> {
    let counter = Counter::open(&args.job).await?;
    counter.desk.cancel(counter.request.id(), counter.request.kind()).await?;
    say(&format!("Withdrawn: {}\n", counter.request.id()))
}

fn list(args: &ListArgs) -> Result<()> {
    let requests = Purchases::open(&Home::from_env()?.open()?)?.latest(args.limit as usize)?;
    if args.json {
        let rows: Vec<_> = requests
            .iter()
            .map(|request| json!({"job": request.id(), "kind": request.kind(), "created_at": request.created_at()}))
            .collect();
        return say(&format!("{}\n", json!(rows)));
    }
    let row = |request: &Request| {
        let age = ago(SystemClock.now().since(request.created_at()));
        [request.id().to_hex(), request.kind().to_string(), format!("{age} ago")]
    };
    say(&table("JOB  KIND  ASKED", &requests.iter().map(row).collect::<Vec<_>>()))
}

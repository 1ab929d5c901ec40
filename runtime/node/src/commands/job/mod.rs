//! `pylon job`: buying from others, with this node's identity.

mod submit;
mod tell;

use crate::cli::job::{CancelArgs, JobArgs, JobCommand, ListArgs};
use crate::home::Home;
use crate::identity::Identity;
use crate::log;
use crate::purchases::{Purchase, Purchases};
use crate::units::ago;
use anyhow::{Context, Result, bail};
use pylon_adapters::market::buyer::{Buyer, Heard, Request};
use pylon_adapters::market::nip90::Delivered;
use pylon_core::Msat;
use pylon_core::ports::clock::Clock as _;
use serde_json::json;
use std::io::Write;

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
    buyer: Buyer,
}

impl Counter {
    async fn open(job: &str) -> Result<Self> {
        let home = Home::from_env()?;
        let purchase: Purchase = Purchases::open(&home.open()?)?.find(job)?;
        let buyer = Buyer::connect(Identity::load(&home)?.keys().clone(), &purchase.relays).await?;
        Ok(Self { request: purchase.request()?, bid: purchase.bid, buyer })
    }

    async fn said(&self) -> Result<Vec<Heard>> {
        Ok(self.buyer.said(&self.request).await?)
    }
}

async fn status(args: &JobArgs) -> Result<()> {
    let counter = Counter::open(&args.job).await?;
    let standings = tell::standings(&counter.request, &counter.said().await?);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!({"job": counter.request.id(), "kind": counter.request.kind(), "providers": standings}))?;
        return Ok(());
    }
    writeln!(out, "Job {} (kind {})", counter.request.id(), counter.request.kind())?;
    if standings.is_empty() {
        writeln!(out, "No provider has answered.")?;
    }
    for standing in standings {
        writeln!(out, "  {standing}")?;
    }
    Ok(())
}

async fn results(args: &JobArgs) -> Result<()> {
    let counter = Counter::open(&args.job).await?;
    let (good, bad): (Vec<Delivered>, Vec<_>) = tell::sort(&counter.request, counter.said().await?);
    for (provider, why) in bad {
        eprintln!("pylon: a result of {} is not shown: {why}", provider.to_hex());
    }
    if good.is_empty() {
        bail!("no result yet: `pylon job status {}` says how it stands", counter.request.id().short());
    }
    let mut out = std::io::stdout().lock();
    for result in &good {
        tell::result(&mut out, &counter.request, result, counter.bid, args.json)?;
    }
    Ok(())
}

async fn cancel(args: &CancelArgs) -> Result<()> {
    let counter = Counter::open(&args.job).await?;
    counter.buyer.cancel(counter.request.id(), counter.request.kind()).await?;
    writeln!(std::io::stdout(), "Withdrawn: {}", counter.request.id())?;
    Ok(())
}

fn list(args: &ListArgs) -> Result<()> {
    let requests = Purchases::open(&Home::from_env()?.open()?)?.latest(args.limit as usize)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let rows: Vec<_> = requests
            .iter()
            .map(|request| json!({"job": request.id(), "kind": request.kind(), "created_at": request.created_at()}))
            .collect();
        writeln!(out, "{}", json!(rows))?;
        return Ok(());
    }
    writeln!(out, "{:<64} {:<5} ASKED", "JOB", "KIND")?;
    for request in requests {
        let age = ago(crate::clock::SystemClock.now().since(request.created_at()));
        writeln!(out, "{:<64} {:<5} {age} ago", request.id().to_hex(), request.kind())?;
    }
    Ok(())
}

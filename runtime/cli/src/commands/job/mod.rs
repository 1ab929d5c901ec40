//! `pylon job`: buying from others, with this node's identity.

mod submit;
mod tell;

use crate::args::job::{CancelArgs, JobArgs, JobCommand, ListArgs};
use crate::log;
use crate::output::{note, say, table};
use crate::purchases::{Purchase, Purchases};
use anyhow::{Context, Result, bail};
use pylon_core::ports::clock::Clock as _;
use pylon_core::units::ago;
use pylon_node::clock::SystemClock;
use pylon_node::home::Home;
use pylon_node::identity::Identity;
use pylon_nostr::buyer::{ProviderMessage, RelayReader, Request};
use pylon_nostr::identity::npub_of;
use pylon_nostr::nip90::Delivered;
use serde_json::json;

/// Runs the command.
pub(crate) fn run(command: &JobCommand) -> Result<()> {
    log::install(log::COMMAND)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no thread to run on")?;
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
    purchase: Purchase,
    purchases: Purchases,
    desk: RelayReader,
}

impl Counter {
    async fn open(job: &str) -> Result<Self> {
        let home = Home::from_env()?;
        let purchases = Purchases::open(&home.open()?)?;
        let purchase = purchases.find(job)?;
        let desk =
            RelayReader::connect(Identity::load(&home)?.keys().clone(), &purchase.relays).await?;
        Ok(Self { request: purchase.request()?, purchase, purchases, desk })
    }

    async fn said(&self) -> Result<Vec<ProviderMessage>> {
        let said = self.desk.responses(&self.request, RelayReader::ALL_TIMEOUT).await?;
        tell::unanswered(&said);
        Ok(said.messages)
    }

    /// What is to be known before all else, if it is so.
    fn withdrawn(&self) -> Option<String> {
        let at = self.purchase.withdrawn_at?;
        Some(format!(
            "withdrawn {} ago: providers need not answer it any more",
            ago(SystemClock.now().since(at))
        ))
    }
}

async fn status(args: &JobArgs) -> Result<()> {
    let counter = Counter::open(&args.job).await?;
    let standings = tell::standings(&counter.request, &counter.said().await?);
    if args.json {
        let (request, withdrawn_at) = (&counter.request, counter.purchase.withdrawn_at);
        let facts = json!({"job": request.id(), "kind": request.kind(), "withdrawn_at": withdrawn_at, "providers": standings});
        return say(&format!("{facts}\n"));
    }
    let mut out = format!("Job {} (kind {})\n", counter.request.id(), counter.request.kind());
    out.extend(counter.withdrawn().map(|words| format!("It was {words}.\n")));
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
    let (good, bad): (Vec<Delivered>, Vec<_>) = tell::sort(&counter.request, counter.said().await?);
    for (provider, why) in bad {
        note(&format!("pylon: a result of {} is not shown: {why}", npub_of(provider)));
    }
    if let Some(words) = counter.withdrawn() {
        note(&format!("pylon: this job was {words}"));
    }
    if good.is_empty() {
        bail!(
            "no result yet: `pylon job status {}` says how it stands",
            counter.request.id().short()
        );
    }
    good.iter().try_for_each(|result| {
        say(&tell::result(&counter.request, result, counter.purchase.bid, args.json))
    })
}

async fn cancel(args: &CancelArgs) -> Result<()> {
    let counter = Counter::open(&args.job).await?;
    counter.desk.cancel(counter.request.id(), counter.request.kind()).await?;
    counter.purchases.withdraw(&counter.purchase, SystemClock.now())?;
    say(&format!("Withdrawn: {}\n", counter.request.id()))
}

fn list(args: &ListArgs) -> Result<()> {
    let bought = Purchases::open(&Home::from_env()?.open()?)?.latest(args.limit as usize)?;
    if args.json {
        let row = |(request, purchase): &(Request, Purchase)| {
            let (job, kind, created_at) = (request.id(), request.kind(), request.created_at());
            json!({"job": job, "kind": kind, "created_at": created_at, "withdrawn_at": purchase.withdrawn_at})
        };
        return say(&format!("{}\n", json!(bought.iter().map(row).collect::<Vec<_>>())));
    }
    let row = |(request, purchase): &(Request, Purchase)| {
        let age = ago(SystemClock.now().since(request.created_at()));
        let withdrawn = if purchase.withdrawn_at.is_some() { "  (withdrawn)" } else { "" };
        [request.id().to_hex(), request.kind().to_string(), format!("{age} ago{withdrawn}")]
    };
    say(&table("JOB  KIND  ASKED", &bought.iter().map(row).collect::<Vec<_>>()))
}

//! `pylon job`: buys jobs from other providers, with this node's identity.

mod display;
mod submit;

use crate::args::job::{CancelArgs, JobArgs, JobCommand, ListArgs};
use crate::log;
use crate::output::{eprint, print, table};
use crate::sent_requests::{SentRequest, SentRequests};
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
        .context("cannot create a thread")?;
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

/// A sent request with a connection to its relays.
struct OpenRequest {
    request: Request,
    sent: SentRequest,
    store: SentRequests,
    reader: RelayReader,
}

impl OpenRequest {
    async fn open(job: &str) -> Result<Self> {
        let home = Home::from_env()?;
        let store = SentRequests::open(&home.open()?)?;
        let sent = store.find(job)?;
        let reader =
            RelayReader::connect(Identity::load(&home)?.keys().clone(), &sent.relays).await?;
        Ok(Self { request: sent.request()?, sent, store, reader })
    }

    /// All messages of providers about the request.
    async fn messages(&self) -> Result<Vec<ProviderMessage>> {
        let responses = self.reader.responses(&self.request, RelayReader::ALL_TIMEOUT).await?;
        display::warn_unanswered(&responses);
        Ok(responses.messages)
    }

    /// A note if the request was withdrawn.
    fn withdrawn(&self) -> Option<String> {
        let at = self.sent.withdrawn_at?;
        Some(format!(
            "withdrawn {} ago: providers may no longer answer it",
            ago(SystemClock.now().since(at))
        ))
    }
}

async fn status(args: &JobArgs) -> Result<()> {
    let open = OpenRequest::open(&args.job).await?;
    let providers = display::provider_states(&open.request, &open.messages().await?);
    if args.json {
        let (request, withdrawn_at) = (&open.request, open.sent.withdrawn_at);
        let status = json!({
            "job": request.id(), "kind": request.kind(), "withdrawn_at": withdrawn_at,
            "providers": providers,
        });
        return print(&format!("{status}\n"));
    }
    let mut out = format!("Job {} (kind {})\n", open.request.id(), open.request.kind());
    out.extend(open.withdrawn().map(|note| format!("It was {note}.\n")));
    if providers.is_empty() {
        out.push_str("No provider has answered.\n");
    }
    for state in providers {
        out.push_str(&format!("  {state}\n"));
    }
    print(&out)
}

async fn results(args: &JobArgs) -> Result<()> {
    let open = OpenRequest::open(&args.job).await?;
    let (valid, invalid): (Vec<Delivered>, Vec<_>) =
        display::check_results(&open.request, open.messages().await?);
    for (provider, cause) in invalid {
        eprint(&format!("pylon: invalid result from {}: {cause}", npub_of(provider)));
    }
    if let Some(note) = open.withdrawn() {
        eprint(&format!("pylon: this job was {note}"));
    }
    if valid.is_empty() {
        bail!("no result yet: `pylon job status {}` shows the status", open.request.id().short());
    }
    valid.iter().try_for_each(|result| {
        print(&display::format_result(&open.request, result, open.sent.bid, args.json))
    })
}

async fn cancel(args: &CancelArgs) -> Result<()> {
    let open = OpenRequest::open(&args.job).await?;
    open.reader.cancel(open.request.id(), open.request.kind()).await?;
    open.store.withdraw(&open.sent, SystemClock.now())?;
    print(&format!("Withdrawn: {}\n", open.request.id()))
}

fn list(args: &ListArgs) -> Result<()> {
    let requests = match SentRequests::existing(&Home::from_env()?)? {
        Some(store) => store.latest(args.limit as usize)?,
        None => Vec::new(),
    };
    if args.json {
        let row = |(request, sent): &(Request, SentRequest)| {
            let (job, kind, created_at) = (request.id(), request.kind(), request.created_at());
            json!({
                "job": job, "kind": kind, "created_at": created_at,
                "withdrawn_at": sent.withdrawn_at,
            })
        };
        return print(&format!("{}\n", json!(requests.iter().map(row).collect::<Vec<_>>())));
    }
    let row = |(request, sent): &(Request, SentRequest)| {
        let age = ago(SystemClock.now().since(request.created_at()));
        let withdrawn = if sent.withdrawn_at.is_some() { "  (withdrawn)" } else { "" };
        [request.id().to_hex(), request.kind().to_string(), format!("{age} ago{withdrawn}")]
    };
    print(&table("JOB  KIND  SUBMITTED", &requests.iter().map(row).collect::<Vec<_>>()))
}

//! `pylon job`: buys jobs from other providers, with this node's identity.

mod display;
mod inputs;
mod output_file;
mod submit;
mod wait;
mod wait_log;

use crate::args::job::{CancelArgs, JobArgs, JobCommand, ListArgs};
use crate::log;
use crate::output::{cut, eprint, json_line, print, table};
use crate::sent_requests::{SentRequest, SentRequests};
use anyhow::{Context, Result, bail};
use display::Expected;
use pylon_core::ports::clock::Clock as _;
use pylon_core::units::ago;
use pylon_node::clock::SystemClock;
use pylon_node::home::Home;
use pylon_node::identity::Identity;
use pylon_nostr::buyer::{ProviderMessage, Publication, RelayReader, Request};
use pylon_nostr::identity::npub_of;
use pylon_nostr::nip90::Delivered;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// A wait is explained after this time.
const NOTICE_DELAY: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) fn run(command: &JobCommand) -> Result<()> {
    log::install(log::COMMAND, log::LogFormat::Text)?;
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

/// Waits, and says on stderr for what if that takes long.
async fn with_notice<T>(notice: Option<&str>, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = sleep(NOTICE_DELAY) => notice.into_iter().for_each(eprint),
    }
    work.await
}

fn connecting(relays: &[String]) -> String {
    format!("Connecting to {}", relays.join(", "))
}

/// Gives the other relays time to accept an event, and names those that have not.
async fn warn_missing(publication: Publication) {
    for (relay, reason) in publication.missing().await {
        let (relay, reason) = (display::clip(&relay), display::clip(&reason));
        eprint(&format!("pylon: the relay {relay} has not accepted the event: {reason}"));
    }
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
        let identity = Identity::load(&home)?;
        let reader = RelayReader::connect(identity.keys().clone(), &sent.relays);
        let reader = with_notice(Some(&connecting(&sent.relays)), reader).await?;
        Ok(Self { request: sent.request()?, sent, store, reader })
    }

    /// All messages of providers about the request.
    async fn messages(&self) -> Result<Vec<ProviderMessage>> {
        let responses = self.reader.responses(&self.request, RelayReader::ALL_TIMEOUT);
        let responses =
            with_notice(Some("Waiting for the answers of the relays"), responses).await?;
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
    let (messages, expected) = (open.messages().await?, Expected::by(&open.sent));
    let providers = display::provider_states(&open.request, &messages, &expected);
    if args.json {
        let (request, withdrawn_at) = (&open.request, open.sent.withdrawn_at);
        return json_line(&json!({
            "job": request.id(), "kind": request.kind(), "withdrawn_at": withdrawn_at,
            "providers": providers,
        }));
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
    let (messages, expected) = (open.messages().await?, Expected::by(&open.sent));
    let (valid, invalid): (Vec<Delivered>, Vec<_>) =
        display::check_results(&open.request, messages);
    for (provider, cause) in invalid {
        let (provider, cause) = (npub_of(provider), display::clip(&cause));
        eprint(&format!("pylon: invalid result from {provider}: {cause}"));
    }
    if let Some(note) = open.withdrawn() {
        eprint(&format!("pylon: this job was {note}"));
    }
    if valid.is_empty() {
        bail!("no result yet: `pylon job status {}` shows the status", open.request.id().short());
    }
    valid.iter().try_for_each(|result| {
        display::warn_of_plain_text(&open.request, result);
        if args.json {
            json_line(&display::result_json(result, &expected))
        } else {
            print(&display::result_text(result, &expected))
        }
    })
}

async fn cancel(args: &CancelArgs) -> Result<()> {
    let open = OpenRequest::open(&args.job).await?;
    let (request, id) = (&open.request, open.request.id());
    let publication = open.reader.cancel(id, request.kind()).await?;
    open.store.withdraw(&open.sent, SystemClock.now())?;
    print(&format!("Withdrawn: {id}\n"))?;
    // An answer is only reported, so a failed query is not an error.
    let responses = open.reader.responses(request, RelayReader::ALL_TIMEOUT);
    let ((), responses) = tokio::join!(warn_missing(publication), responses);
    let messages = responses.map(|responses| responses.messages).unwrap_or_default();
    for result in display::check_results(request, messages).0 {
        eprint(&format!(
            "pylon: {} had already answered it: `pylon job results {}` shows the result",
            npub_of(result.provider),
            id.short()
        ));
    }
    Ok(())
}

fn list(args: &ListArgs) -> Result<()> {
    let limit = args.limit as usize;
    let mut requests = match SentRequests::existing(&Home::from_env()?)? {
        Some(store) => store.latest(limit.saturating_add(1))?,
        None => Vec::new(),
    };
    let more = cut(&mut requests, limit);
    if args.json {
        let row = |(request, sent): &(Request, SentRequest)| {
            let (job, kind, created_at) = (request.id(), request.kind(), request.created_at());
            json!({
                "job": job, "kind": kind, "created_at": created_at,
                "withdrawn_at": sent.withdrawn_at,
            })
        };
        return json_line(&requests.iter().map(row).collect::<Vec<_>>());
    }
    let row = |(request, sent): &(Request, SentRequest)| {
        let age = ago(SystemClock.now().since(request.created_at()));
        let withdrawn = if sent.withdrawn_at.is_some() { "  (withdrawn)" } else { "" };
        [request.id().to_hex(), request.kind().to_string(), format!("{age} ago{withdrawn}")]
    };
    let rows: Vec<_> = requests.iter().map(row).collect();
    print(&(table("JOB  ?KIND  ~SUBMITTED", &rows) + more))
}

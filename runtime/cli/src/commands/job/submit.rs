//! `pylon job submit`: stores a request, publishes it, and optionally waits for the result.

use super::display::{self, Expected};
use super::output_file::OutputFile;
use super::wait::Wait;
use super::{connecting, inputs, warn_missing, with_notice};
use crate::args::job::SubmitArgs;
use crate::output::{eprint, json_line, print};
use crate::sent_requests::{SentRequest, SentRequests};
use anyhow::{Result, anyhow, bail};
use pylon_core::ports::clock::Clock as _;
use pylon_node::clock::SystemClock;
use pylon_node::config::Config;
use pylon_node::home::Home;
use pylon_node::identity::Identity;
use pylon_nostr::buyer::{Buyer, Request};
use pylon_nostr::identity::public_key;
use pylon_nostr::nip90::{Delivered, RequestTag};
use serde_json::json;
use std::io::IsTerminal;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Equal requests within one second.
const EQUAL_REQUESTS_MAX: u64 = 60;

pub(super) async fn run(args: &SubmitArgs) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(args.timeout);
    if args.pay {
        bail!(
            "--pay needs a wallet that can send payments, which this version does not have: submit \
             without --pay, and pay the invoice yourself; nothing was sent"
        );
    }
    let tags = args.tags(inputs::read(args)?);
    let file = args.output.as_deref().map(OutputFile::create).transpose()?;
    let home = Home::from_env()?;
    let identity = Identity::load(&home)?;
    if args.provider == Some(public_key(identity.keys())) {
        bail!("cannot submit to this node's own key: choose another provider; nothing was sent");
    }
    let relays = match &args.relays[..] {
        [] => Config::load_or_default(&home.config_file())?.market.relays,
        named => named.to_vec(),
    };
    let store = SentRequests::open(&home.open()?)?;
    let (seconds, is_shown) = (args.timeout, !args.quiet);
    let notice = is_shown.then(|| connecting(&relays));
    let buyer = with_notice(notice.as_deref(), Buyer::connect(identity.keys().clone(), &relays));
    let buyer = timeout_at(deadline, buyer)
        .await
        .map_err(|_| anyhow!("no relay: none connected within {seconds} s; nothing was sent"))?
        .map_err(|error| anyhow!("{error}; nothing was sent"))?;
    let (request, expected) = sign_and_store(args, &tags, relays, &buyer, &store)?;
    let notice = is_shown.then_some("Waiting for a relay to accept the request");
    let publication = with_notice(notice, buyer.submit(&request));
    let publication = timeout_at(deadline, publication).await.map_err(|_| {
        anyhow!("no relay has accepted the request within {seconds} s: try again later")
    })??;
    if args.wait {
        let (result, shown) = Wait::new(args, &request, &expected).run(buyer, deadline).await?;
        display::warn_of_plain_text(&request, &result);
        return show(args, file, &result, &expected, &shown);
    }
    let id = request.id();
    if args.json {
        json_line(&json!({"job": id}))?;
    } else {
        print(&format!("{id}\n"))?;
    }
    // No longer than the command may take.
    let _ = timeout_at(deadline, warn_missing(publication)).await;
    if is_shown {
        let id = id.short();
        eprint(&format!(
            "Next: `pylon job status {id}`, `pylon job results {id}`; `pylon job cancel {id}` \
             withdraws it"
        ));
    }
    Ok(())
}

/// Signs the request and stores it. An equal request within the same second would be the same
/// event, so it gets a later time.
fn sign_and_store(
    args: &SubmitArgs,
    tags: &[RequestTag],
    relays: Vec<String>,
    buyer: &Buyer,
    store: &SentRequests,
) -> Result<(Request, Expected)> {
    let now = SystemClock.now();
    for later in 0..EQUAL_REQUESTS_MAX {
        let request = buyer.sign(args.kind, tags, now.plus(later))?;
        let sent = SentRequest {
            request: request.to_json(),
            relays: relays.clone(),
            bid: args.bid,
            withdrawn_at: None,
        };
        if store.add(&sent)? {
            return Ok((request, Expected::by(&sent)));
        }
    }
    bail!(
        "{EQUAL_REQUESTS_MAX} equal requests were submitted within a minute: try again later; \
         nothing was sent"
    )
}

/// Shows a result. On a terminal it continues the text that was already shown there.
fn show(
    args: &SubmitArgs,
    file: Option<OutputFile<'_>>,
    result: &Delivered,
    expected: &Expected,
    shown: &str,
) -> Result<()> {
    let is_saved = file.is_some();
    if let Some(file) = file {
        file.write(&result.content)?;
    }
    let text = display::result_text(result, expected);
    let is_one_screen = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    let rest = text.strip_prefix(shown).filter(|_| is_one_screen && !args.json && !is_saved);
    if rest.is_none() && !shown.is_empty() && !shown.ends_with('\n') {
        eprint("");
    }
    if args.json {
        json_line(&display::result_json(result, expected))
    } else if is_saved {
        print(&display::due_text(result, expected))
    } else {
        print(rest.unwrap_or(&text))
    }
}

//! `pylon job submit`: stores a request, publishes it, and optionally waits for the result.

use super::display;
use crate::args::job::SubmitArgs;
use crate::output::{eprint, print};
use crate::sent_requests::{SentRequest, SentRequests};
use anyhow::{Context, Result, bail};
use pylon_core::Msat;
use pylon_core::ports::clock::Clock as _;
use pylon_core::text::sanitize_line;
use pylon_node::clock::SystemClock;
use pylon_node::config::Config;
use pylon_node::home::Home;
use pylon_node::identity::Identity;
use pylon_nostr::buyer::{Buyer, ProviderMessage, RelayReader, Request};
use pylon_nostr::identity::{npub_of, public_key};
use pylon_nostr::nip90::{Delivered, FeedbackStatus, REQUEST_BYTES_MAX, RequestTag};
use serde_json::json;
use std::io::Read;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The final query after the wait, including the parts of a large result.
const FINAL_QUERY_TIMEOUT: Duration = Duration::from_secs(30);
/// Lines printed during one wait, because a provider may send any number of messages.
const LINES_MAX: usize = 200;
/// Equal requests within one second.
const EQUAL_REQUESTS_MAX: u64 = 60;

pub(super) async fn run(args: &SubmitArgs) -> Result<()> {
    if args.pay {
        bail!(
            "--pay needs a wallet that can send payments, which this version does not have: submit \
             without --pay, and pay the invoice yourself; nothing was sent"
        );
    }
    let prompt = prompt(args)?;
    if prompt.as_deref() == Some("") {
        bail!("the prompt is empty: write what the job must do; nothing was sent");
    }
    let tags = args.tags(prompt);
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
    let buyer = Buyer::connect(identity.keys().clone(), &relays).await?;
    let request = sign_and_store(args, &tags, relays, &buyer, &store)?;
    buyer.submit(&request).await?;
    if !args.wait {
        let job = request.id();
        return print(&if args.json {
            format!("{}\n", json!({"job": job}))
        } else {
            format!("{job}\n")
        });
    }
    wait(args, buyer, &request).await
}

/// Signs the request and stores it. An equal request within the same second would be the same
/// event, so it gets a later time.
fn sign_and_store(
    args: &SubmitArgs,
    tags: &[RequestTag],
    relays: Vec<String>,
    buyer: &Buyer,
    store: &SentRequests,
) -> Result<Request> {
    let (now, bid) = (SystemClock.now(), args.bid.map(Msat::new));
    for later in 0..EQUAL_REQUESTS_MAX {
        let request = buyer.sign(args.kind, tags, now.plus(later))?;
        if store.add(&SentRequest {
            request: request.to_json(),
            relays: relays.clone(),
            bid,
            withdrawn_at: None,
        })? {
            return Ok(request);
        }
    }
    bail!(
        "{EQUAL_REQUESTS_MAX} equal requests were submitted within a minute: try again later; \
         nothing was sent"
    )
}

fn prompt(args: &SubmitArgs) -> Result<Option<String>> {
    if args.prompt.as_deref() != Some("-") {
        return Ok(args.prompt.clone());
    }
    let mut text = String::new();
    std::io::stdin()
        .take(REQUEST_BYTES_MAX as u64 + 1)
        .read_to_string(&mut text)
        .context("stdin is not UTF-8 text")?;
    if text.len() > REQUEST_BYTES_MAX {
        bail!("stdin is longer than a request may be: at most {REQUEST_BYTES_MAX} bytes");
    }
    Ok(Some(text))
}

/// Waits for the first valid result, or for a refusal of the requested provider. Feedback is
/// printed to stderr.
async fn wait(args: &SubmitArgs, mut buyer: Buyer, request: &Request) -> Result<()> {
    let (deadline, id) = (Instant::now() + Duration::from_secs(args.timeout), request.id());
    let (mut log, mut refusal) = (WaitLog::default(), None);
    let show = |result: &Delivered| {
        print(&display::format_result(request, result, args.bid.map(Msat::new), args.json))
    };
    eprint(&format!("Job {id}: waiting for a result, {} s at most", args.timeout));
    loop {
        let Ok(message) = timeout_at(deadline, buyer.next()).await else {
            return match final_query(buyer.into_reader(), request).await {
                Some(result) => show(&result),
                None => bail!(
                    "{} within {} s: `pylon job results {id}` checks again",
                    log.failure(args, refusal),
                    args.timeout
                ),
            };
        };
        match message? {
            ProviderMessage::Feedback(feedback) if feedback.job == id => {
                if feedback.status == FeedbackStatus::Error {
                    let message = display::clip(&feedback.message);
                    // Without a requested provider, another one may still accept the job.
                    if args.provider == Some(feedback.provider) {
                        bail!("the provider reports: {message}");
                    }
                    refusal = Some(message);
                }
                log.line(&display::feedback_line(&feedback, args.bid.map(Msat::new)));
            }
            ProviderMessage::Result(result) if result.job == id => match request.check(&result) {
                Ok(()) => return show(&result),
                Err(cause) => log.line(&format!(
                    "pylon: ignored a result from {}: {cause}",
                    npub_of(result.provider)
                )),
            },
            ProviderMessage::Unreadable { job, provider, why } if job == id => {
                log.line(&format!(
                    "pylon: ignored a message from {}: {}",
                    npub_of(provider),
                    display::clip(&why)
                ));
            }
            ProviderMessage::Feedback(_)
            | ProviderMessage::Result(_)
            | ProviderMessage::Unreadable { .. } => {}
        }
    }
}

/// Prints messages during the wait.
#[derive(Default)]
struct WaitLog {
    lines: usize,
}

impl WaitLog {
    fn line(&mut self, line: &str) {
        self.lines = self.lines.saturating_add(1);
        match self.lines {
            LINES_MAX => eprint("Further messages are not shown."),
            count if count < LINES_MAX => eprint(line),
            _ => {}
        }
    }

    /// Why there is no result after the timeout.
    fn failure(&self, args: &SubmitArgs, refusal: Option<String>) -> String {
        match refusal {
            Some(message) => format!("no result (a provider reports: {message})"),
            None if self.lines > 0 => "no result".into(),
            None if args.provider.is_some() => "no answer from the provider".into(),
            None => "no answer from any provider (this node ignores its own requests)".into(),
        }
    }
}

/// A relay may have a result that it did not forward, because it closed the subscription or was too
/// slow.
async fn final_query(reader: RelayReader, request: &Request) -> Option<Delivered> {
    match reader.responses(request, FINAL_QUERY_TIMEOUT).await {
        Ok(responses) => {
            display::warn_unanswered(&responses);
            display::check_results(request, responses.messages).0.into_iter().next()
        }
        Err(error) => {
            eprint(&format!("pylon: {}", sanitize_line(&error.to_string())));
            None
        }
    }
}

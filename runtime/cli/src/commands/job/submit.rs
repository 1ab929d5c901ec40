//! `pylon job submit`: a request is written down, goes out, and may be waited for.

use super::tell;
use crate::args::job::SubmitArgs;
use crate::output::{note, say};
use crate::purchases::{Purchase, Purchases};
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

/// After the time given to the wait: a look, and the parts of an answer.
const LAST_LOOK_WITHIN: Duration = Duration::from_secs(30);
/// Lines about one wait: whoever may answer may also talk without an end.
const LINES_MAX: usize = 200;
/// The same request so often in one second.
const SAME_MAX: u64 = 60;

pub(super) async fn run(args: &SubmitArgs) -> Result<()> {
    if args.pay {
        bail!(
            "--pay needs a wallet that can spend, and none can be connected: leave it out, and pay the invoice that comes; nothing was sent"
        );
    }
    let prompt = prompt(args)?;
    if prompt.as_deref() == Some("") {
        bail!(
            "the prompt is empty, and no provider answers that: say what is asked for; nothing was sent"
        );
    }
    let tags = args.tags(prompt);
    let home = Home::from_env()?;
    let identity = Identity::load(&home)?;
    if args.provider == Some(public_key(identity.keys())) {
        bail!("that provider is this node itself, which takes no orders of its own: name another");
    }
    let relays = match &args.relays[..] {
        [] => Config::load_or_default(&home.config_file())?.market.relays,
        named => named.to_vec(),
    };
    let purchases = Purchases::open(&home.open()?)?;
    let buyer = Buyer::connect(identity.keys().clone(), &relays).await?;
    let request = write_down(args, &tags, relays, &buyer, &purchases)?;
    buyer.submit(&request).await?;
    if !args.wait {
        let job = request.id();
        return say(&if args.json {
            format!("{}\n", json!({"job": job}))
        } else {
            format!("{job}\n")
        });
    }
    wait(args, buyer, &request).await
}

/// Signs the request and keeps it. What was asked for in this second already is dated one later: the same twice in one second would be one request.
fn write_down(
    args: &SubmitArgs,
    tags: &[RequestTag],
    relays: Vec<String>,
    buyer: &Buyer,
    purchases: &Purchases,
) -> Result<Request> {
    let (now, bid) = (SystemClock.now(), args.bid.map(Msat::new));
    for later in 0..SAME_MAX {
        let request = buyer.sign(args.kind, tags, now.plus(later))?;
        if purchases.add(&Purchase {
            request: request.to_json(),
            relays: relays.clone(),
            bid,
            withdrawn_at: None,
        })? {
            return Ok(request);
        }
    }
    bail!(
        "the same was asked for {SAME_MAX} times in a moment: try again in a minute; nothing was sent"
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
        bail!("stdin is longer than a request can be: {REQUEST_BYTES_MAX} bytes");
    }
    Ok(Some(text))
}

/// Until the first result that is what was asked for, or until whoever was asked has said no. What is said meanwhile is told on stderr.
async fn wait(args: &SubmitArgs, mut buyer: Buyer, request: &Request) -> Result<()> {
    let (until, id) = (Instant::now() + Duration::from_secs(args.timeout), request.id());
    let (mut news, mut refusal) = (News::default(), None);
    let show = |result: &Delivered| {
        say(&tell::result(request, result, args.bid.map(Msat::new), args.json))
    };
    note(&format!("Job {id}: waiting for a result, {} s at most", args.timeout));
    loop {
        let Ok(heard) = timeout_at(until, buyer.next()).await else {
            return match last_look(buyer.into_reader(), request).await {
                Some(result) => show(&result),
                None => bail!(
                    "{} within {} s: `pylon job results {id}` looks again",
                    news.end(args, refusal),
                    args.timeout
                ),
            };
        };
        match heard? {
            ProviderMessage::Feedback(feedback) if feedback.job == id => {
                if feedback.status == FeedbackStatus::Error {
                    let words = tell::clipped(&feedback.message);
                    // One provider's refusal says nothing about the others.
                    if args.provider == Some(feedback.provider) {
                        bail!("the provider says: {words}");
                    }
                    refusal = Some(words);
                }
                news.heard(&tell::news(&feedback, args.bid.map(Msat::new)));
            }
            ProviderMessage::Result(result) if result.job == id => match request.check(&result) {
                Ok(()) => return show(&result),
                Err(why) => news.heard(&format!(
                    "pylon: a result of {} is passed over: {why}",
                    npub_of(result.provider)
                )),
            },
            ProviderMessage::Unreadable { job, provider, why } if job == id => {
                news.heard(&format!(
                    "pylon: a message of {} is passed over: {}",
                    npub_of(provider),
                    tell::clipped(&why)
                ));
            }
            ProviderMessage::Feedback(_)
            | ProviderMessage::Result(_)
            | ProviderMessage::Unreadable { .. } => {}
        }
    }
}

/// What is told while somebody waits.
#[derive(Default)]
struct News {
    heard: usize,
}

impl News {
    fn heard(&mut self, line: &str) {
        self.heard = self.heard.saturating_add(1);
        match self.heard {
            LINES_MAX => note("More is said, and not shown here."),
            count if count < LINES_MAX => note(line),
            _ => {}
        }
    }

    /// How it stood when the time was over.
    fn end(&self, args: &SubmitArgs, refusal: Option<String>) -> String {
        match refusal {
            Some(words) => format!("no result (a provider says: {words})"),
            None if self.heard > 0 => "no result".into(),
            None if args.provider.is_some() => "no answer of the provider".into(),
            None => "no answer of any provider (this node's own sells nothing to itself)".into(),
        }
    }
}

/// A relay may have a result that it did not pass on: because it closed the subscription, or could not keep up.
async fn last_look(desk: RelayReader, request: &Request) -> Option<Delivered> {
    match desk.responses(request, LAST_LOOK_WITHIN).await {
        Ok(said) => {
            tell::unanswered(&said);
            tell::sort(request, said.messages).0.into_iter().next()
        }
        Err(error) => {
            note(&format!("pylon: {}", sanitize_line(&error.to_string())));
            None
        }
    }
}

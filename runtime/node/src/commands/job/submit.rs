//! `pylon job submit`: a request is written down, goes out, and may be waited for.

use super::tell;
use crate::cli::job::SubmitArgs;
use crate::config::Config;
use crate::home::Home;
use crate::identity::Identity;
use crate::output::{note, plain, say};
use crate::purchases::{Purchase, Purchases};
use anyhow::{Context, Result, bail};
use pylon_adapters::market::buyer::{Buyer, Heard, Request};
use pylon_adapters::market::identity::public_key;
use pylon_adapters::market::nip90::{Delivered, MAX_REQUEST_BYTES, Standing};
use serde_json::json;
use std::io::{IsTerminal, Read};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// After the time given to the wait.
const LAST_LOOK_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn run(args: &SubmitArgs) -> Result<()> {
    if args.pay {
        bail!(
            "--pay needs a wallet that can spend, and none can be connected: leave it out, and pay the invoice that comes; nothing was sent"
        );
    }
    let tags = args.tags(prompt(args)?);
    let home = Home::from_env()?;
    let identity = Identity::load(&home)?;
    if args.provider == Some(public_key(identity.keys())) {
        bail!("that provider is this node itself, which takes no orders of its own: name another");
    }
    let relays = match &args.relays[..] {
        [] => Config::load_or_default(&home.config_file())?.relays,
        named => named.to_vec(),
    };
    let purchases = Purchases::open(&home.open()?)?;
    let mut buyer = Buyer::connect(identity.keys().clone(), &relays).await?;
    let request = buyer.sign(args.kind, &tags)?;
    purchases.add(&Purchase { request: request.to_json(), relays })?;
    buyer.submit(&request).await?;
    if !args.wait {
        let job = request.id();
        return say(&if args.json { format!("{}\n", json!({"job": job})) } else { format!("{job}\n") });
    }
    wait(args, &mut buyer, &request).await
}

fn prompt(args: &SubmitArgs) -> Result<Option<String>> {
    if args.prompt.as_deref() != Some("-") {
        return Ok(args.prompt.clone());
    }
    let mut text = String::new();
    std::io::stdin().take(MAX_REQUEST_BYTES as u64 + 1).read_to_string(&mut text).context("stdin is not UTF-8 text")?;
    if text.len() > MAX_REQUEST_BYTES {
        bail!("stdin is longer than a request can be: {MAX_REQUEST_BYTES} bytes");
    }
    Ok(Some(text))
}

/// Until the first result that is what was asked for, or until whoever was asked has said no.
async fn wait(args: &SubmitArgs, buyer: &mut Buyer, request: &Request) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(args.timeout);
    let (talks, id) = (std::io::stderr().is_terminal() && !args.json, request.id());
    let mut refusal = String::new();
    loop {
        let Ok(heard) = timeout_at(until, buyer.next()).await else {
            if let Some(result) = last_look(buyer, request).await {
                return say(&tell::result(&result, args.json));
            }
            bail!("no result within {} s{refusal}: `pylon job results {id}` looks again", args.timeout);
        };
        let heard = heard?;
        match heard {
            Heard::Feedback(feedback) if feedback.job == id => {
                if talks && feedback.standing != Standing::Partial {
                    note(&format!("{} {}", feedback.standing.word(), plain(&feedback.words)));
                }
                // One provider's refusal says nothing about the others.
                if feedback.standing == Standing::Error {
                    if args.provider == Some(feedback.provider) {
                        bail!("the provider says: {}", plain(&feedback.words));
                    }
                    refusal = format!(" (a provider says: {})", plain(&feedback.words));
                }
                if let (Standing::PaymentRequired, Some((amount, Some(bolt11)))) = (feedback.standing, &feedback.due) {
                    note(&format!("{} wants {amount} first: {}", feedback.provider.to_hex(), plain(bolt11)));
                }
            }
            Heard::Result(result) if result.job == id => match request.check(&result) {
                Ok(()) => return say(&tell::result(&result, args.json)),
                Err(why) => note(&format!("pylon: a result of {} is passed over: {why}", result.provider.to_hex())),
            },
            Heard::Unreadable { job, provider, why } if job == id => {
                note(&format!("pylon: a message of {} is passed over: {}", provider.to_hex(), plain(&why)));
            }
            Heard::Feedback(_) | Heard::Result(_) | Heard::Unreadable { .. } => {}
        }
    }
}

/// A relay may have a result that it did not pass on: because it closed the subscription, or could not keep up.
async fn last_look(buyer: &Buyer, request: &Request) -> Option<Delivered> {
    let said = timeout(LAST_LOOK_WITHIN, buyer.said(request)).await.ok()?.ok()?;
    tell::sort(request, said).0.into_iter().next()
}

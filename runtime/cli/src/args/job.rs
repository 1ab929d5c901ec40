//! `pylon job`: what a buyer may write.

use clap::{Args, Subcommand};
use pylon_core::{Input, InputSource, JobId, MessageId, Param, PublicKey};
use pylon_nostr::identity;
use pylon_nostr::nip90::RequestTag;

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Ask providers for something
    Submit(SubmitArgs),
    /// Show what providers have said about a job
    Status(JobArgs),
    /// Show the results of a job, checked
    ///
    /// Exit code 0: there is a result. 1: there is none yet.
    Results(JobArgs),
    /// Withdraw a job
    Cancel(CancelArgs),
    /// List the jobs asked for from here
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// The text to work on; `-` reads it from stdin
    #[arg(required_unless_present = "inputs")]
    pub prompt: Option<String>,
    /// What kind of job (NIP-90)
    #[arg(short, long, value_name = "KIND", default_value_t = 5050, value_parser = super::guest::kind)]
    pub kind: u16,
    /// Something to work on: text:WORDS, url:ADDRESS, event:ID or job:ID; may come again
    #[arg(short, long = "input", value_name = "TYPE:DATA", value_parser = input)]
    pub inputs: Vec<Input>,
    /// A setting of the job, such as max_tokens=200; may come again
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = param)]
    pub params: Vec<Param>,
    /// The MIME type wanted
    #[arg(long, value_name = "MIME")]
    pub output: Option<String>,
    /// The most that will be paid, in msat
    #[arg(short, long, value_name = "MSAT")]
    pub bid: Option<u64>,
    /// Only this provider, as npub or hex
    #[arg(long, value_name = "KEY", value_parser = provider)]
    pub provider: Option<PublicKey>,
    /// Over this relay instead of those in config.toml; may come again
    #[arg(short, long = "relay", value_name = "URL", value_parser = relay)]
    pub relays: Vec<String>,
    /// Let only the provider read it (NIP-44); the answer comes encrypted, too
    #[arg(short, long, requires = "provider")]
    pub encrypt: bool,
    /// Wait for the result, and print it; what providers say meanwhile goes to stderr
    #[arg(short, long)]
    pub wait: bool,
    /// Pay what is asked for, up to the bid
    #[arg(long, requires = "wait", requires = "bid")]
    pub pay: bool,
    /// How long to wait
    #[arg(short, long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The job's id, or as much of its beginning as no other has
    pub job: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The job's id, or as much of its beginning as no other has
    pub job: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// How many of the latest
    #[arg(short, long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
}

impl SubmitArgs {
    /// The request in tags, with the prompt as its first input.
    pub(crate) fn tags(&self, prompt: Option<String>) -> Vec<RequestTag> {
        let text =
            prompt.map(|text| Input { source: InputSource::Text(text), hint: None, marker: None });
        let inputs = text.into_iter().chain(self.inputs.iter().cloned());
        let mut tags: Vec<_> =
            inputs.map(|input| RequestTag::Input { input, relay: None }).collect();
        tags.extend(self.params.iter().cloned().map(RequestTag::Param));
        tags.extend(self.output.clone().map(RequestTag::Output));
        tags.extend(self.bid.map(|bid| RequestTag::Bid(pylon_core::Msat::new(bid))));
        tags.extend(self.provider.map(RequestTag::Provider));
        tags.extend(self.encrypt.then_some(RequestTag::Encrypted));
        tags
    }
}

fn input(text: &str) -> Result<Input, String> {
    let (kind, data) = text.split_once(':').unwrap_or(("", text));
    let source = match kind {
        "text" => InputSource::Text(data.into()),
        "url" => InputSource::Url(data.into()),
        "event" => InputSource::Event(
            MessageId::from_hex(data).ok_or("an event is named by 64 hex digits")?,
        ),
        "job" => InputSource::Job(JobId::from_hex(data).ok_or("a job is named by 64 hex digits")?),
        _ => return Err("expected text:WORDS, url:ADDRESS, event:ID or job:ID".into()),
    };
    Ok(Input { source, hint: None, marker: None })
}

fn param(text: &str) -> Result<Param, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok(Param { name: name.into(), values: vec![value.into()] })
        }
        _ => Err("expected NAME=VALUE".into()),
    }
}

fn provider(text: &str) -> Result<PublicKey, String> {
    identity::parse_public_key(text)
        .ok_or_else(|| "expected a public key: npub1… or 64 hex digits".into())
}

fn relay(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "ws" | "wss") && url.has_host() => Ok(text.into()),
        _ => Err("expected wss://… or ws://…".into()),
    }
}

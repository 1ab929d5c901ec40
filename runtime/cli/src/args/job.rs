//! The arguments of `pylon job`.

use super::parse;
use clap::{Args, Subcommand};
use pylon_core::{Input, InputSource, Param, PublicKey};
use pylon_nostr::nip90::RequestTag;

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Send a job request to providers
    Submit(SubmitArgs),
    /// Show the status of a job at each provider
    Status(JobArgs),
    /// Show the verified results of a job
    ///
    /// Exit code 0: there is a result. 1: there is none yet.
    Results(JobArgs),
    /// Withdraw a job request
    Cancel(CancelArgs),
    /// List the job requests sent from this home
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// The input text; `-` reads it from stdin
    #[arg(required_unless_present = "inputs")]
    pub prompt: Option<String>,
    /// The NIP-90 request kind
    #[arg(short, long, value_name = "KIND", default_value_t = 5050, value_parser = parse::kind)]
    pub kind: u16,
    /// A further input: text:TEXT, url:ADDRESS, event:ID or job:ID; repeatable
    #[arg(short, long = "input", value_name = "TYPE:DATA", value_parser = parse::input)]
    pub inputs: Vec<Input>,
    /// A parameter of the job, such as max_tokens=200; repeatable
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = parse::param)]
    pub params: Vec<Param>,
    /// The MIME type of the result
    #[arg(long, value_name = "MIME")]
    pub output: Option<String>,
    /// The maximum price in msat
    #[arg(short, long, value_name = "MSAT")]
    pub bid: Option<u64>,
    /// Send the request to this provider only, an npub or hex key
    #[arg(long, value_name = "KEY", value_parser = parse::public_key)]
    pub provider: Option<PublicKey>,
    /// Use this relay instead of those in config.toml; repeatable
    #[arg(short, long = "relay", value_name = "URL", value_parser = parse::relay)]
    pub relays: Vec<String>,
    /// Encrypt the request for the provider (NIP-44); the result is encrypted, too
    #[arg(short, long, requires = "provider")]
    pub encrypt: bool,
    /// Wait for the result and print it; feedback is printed to stderr
    #[arg(short, long)]
    pub wait: bool,
    /// Pay the invoice, up to the bid
    #[arg(long, requires = "wait", requires = "bid")]
    pub pay: bool,
    /// The maximum time to wait
    #[arg(
        short, long, value_name = "SECONDS", default_value_t = 300,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub timeout: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The job id, or its unique beginning
    pub job: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// The job id, or its unique beginning
    pub job: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The number of jobs, newest first
    #[arg(
        short, long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub limit: u32,
}

impl SubmitArgs {
    /// The tags of the request, with the prompt as its first input.
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

//! The arguments of `pylon job`.

use super::parse;
use clap::{Args, Subcommand};
use pylon_core::{Input, InputSource, Msat, Param, PublicKey};
use pylon_nostr::nip90::RequestTag;
use std::path::PathBuf;

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
    /// The first input, a text; `-` reads it from stdin
    #[arg(required_unless_present = "inputs")]
    pub prompt: Option<String>,
    /// The NIP-90 request kind
    #[arg(short, long, value_name = "KIND", default_value_t = 5050, value_parser = parse::kind)]
    pub kind: u16,
    /// A further input: @FILE (its text), text:TEXT, url:ADDRESS, event:ID or job:ID; repeatable
    #[arg(short, long = "input", value_name = "INPUT", value_parser = parse::input)]
    pub inputs: Vec<InputArg>,
    /// A parameter of the job, such as max_tokens=200; repeatable
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = parse::param)]
    pub params: Vec<Param>,
    /// The MIME type that the result should have
    #[arg(long, value_name = "TYPE")]
    pub mime: Option<String>,
    /// The maximum price, such as 5sat, 1.5sat or 500msat; a bare number is msat
    #[arg(short, long, value_name = "AMOUNT", value_parser = parse::amount)]
    pub bid: Option<Msat>,
    /// Send the request to this provider only, an npub or hex key
    #[arg(long, value_name = "KEY", value_parser = parse::public_key)]
    pub provider: Option<PublicKey>,
    /// Use this relay instead of those in config.toml; repeatable
    #[arg(short, long = "relay", value_name = "URL", value_parser = parse::relay)]
    pub relays: Vec<String>,
    /// Encrypt the request for the provider (NIP-44); the result is encrypted, too
    #[arg(short, long, requires = "provider")]
    pub encrypt: bool,
    /// Wait for the result and print it
    ///
    /// Meanwhile stderr shows feedback, and the text as it comes. Ctrl-C ends the wait, not the
    /// job.
    #[arg(short, long)]
    pub wait: bool,
    /// Write the text of the result, unchanged, to this file instead of stdout
    #[arg(short, long, value_name = "FILE", requires = "wait")]
    pub output: Option<PathBuf>,
    /// Print no progress, only errors and the result
    #[arg(short, long)]
    pub quiet: bool,
    /// Pay the invoice, up to the bid
    #[arg(long, requires = "wait", requires = "bid")]
    pub pay: bool,
    /// The maximum time of the whole command
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

/// An input of a request.
#[derive(Clone, Debug)]
pub(crate) enum InputArg {
    /// The text of this file.
    File(PathBuf),
    Given(InputSource),
}

impl SubmitArgs {
    /// The tags of the request.
    pub(crate) fn tags(&self, inputs: Vec<InputSource>) -> Vec<RequestTag> {
        let input = |source| RequestTag::Input {
            input: Input { source, hint: None, marker: None },
            relay: None,
        };
        let mut tags: Vec<_> = inputs.into_iter().map(input).collect();
        tags.extend(self.params.iter().cloned().map(RequestTag::Param));
        tags.extend(self.mime.clone().map(RequestTag::Output));
        tags.extend(self.bid.map(RequestTag::Bid));
        tags.extend(self.provider.map(RequestTag::Provider));
        tags.extend(self.encrypt.then_some(RequestTag::Encrypted));
        tags
    }
}

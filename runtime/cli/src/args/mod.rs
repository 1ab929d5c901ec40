//! The command line with its help. Arguments are parsed here; `commands` executes them.

pub(crate) mod guest;
pub(crate) mod help;
pub(crate) mod job;
mod parse;
pub(crate) mod records;
#[cfg(test)]
mod tests;

use crate::log::LogFormat;
use anstream::ColorChoice;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Sell this machine's compute for Bitcoin over Nostr.
#[derive(Debug, Parser)]
#[command(name = "pylon", version, about, propagate_version = true)]
pub(crate) struct Cli {
    /// Colours on a terminal
    #[arg(
        long, global = true, value_name = "WHEN", default_value = "auto",
        value_parser = parse::color()
    )]
    pub color: ColorChoice,
    #[command(subcommand)]
    pub command: Command,
}

/// The arguments of this process. An invalid command line, or a request for help, ends it.
pub(crate) fn parse() -> Cli {
    let parsed = Cli::from_arg_matches(&command().get_matches());
    parsed.unwrap_or_else(|error| error.format(&mut command()).exit())
}

/// The command line with the whole help.
pub(crate) fn command() -> clap::Command {
    help::extend(Cli::command())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the identity of this node, and show the paths of its files
    Init(InitArgs),
    /// Start the node in the background
    ///
    /// RUST_LOG selects what is logged: `debug` logs more of pylon, `compute=trace` every message
    /// of the market. Libraries log warnings only, unless they are named, as in
    /// `debug,reqwest=info`.
    Start(StartArgs),
    /// Stop the node, after its running jobs have finished
    Stop(StopArgs),
    /// Stop the node as `pylon stop` does, and start it again
    ///
    /// It keeps its mode and its settings file, unless they are given. If no node runs, it is
    /// started.
    Restart(RestartArgs),
    /// Show the log of a node in the background
    Logs(LogsArgs),
    /// Show the status of the node
    ///
    /// Exit code 0: a node runs on this home. 1: no node runs.
    Status(JsonArgs),
    /// Check everything that a node needs, with a hint for each problem
    ///
    /// Exit code 0: every configured part works. 1: a part is broken.
    Doctor(DoctorArgs),
    /// Show the earnings
    Earnings(EarningsArgs),
    /// List, show and review the jobs of this node
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Show the latest events of the running node
    Events(EventsArgs),
    /// List the inference backends
    Backends(JsonArgs),
    /// List the models of the inference backends
    Models(JsonArgs),
    /// Apply changed settings to the running node
    Reload(JsonArgs),
    /// Copy the database to a file, also while a node runs
    ///
    /// The copy does not contain the identity: keep its recovery phrase separately.
    Backup(BackupArgs),
    /// Buy jobs from other providers
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Write, test, install, compare and roll back guests
    #[command(subcommand)]
    Guest(guest::GuestCommand),
    /// Run a market on this machine: relay, node, customer and play money
    Demo(DemoArgs),
    /// Print the completion script for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages to a folder
    Man(ManArgs),
    /// Compile a component from stdin to stdout; the node runs this as a subprocess
    #[command(hide = true)]
    CompileComponent(CompileComponentArgs),
}

#[derive(Debug, Args)]
pub(crate) struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Read the recovery phrase from stdin instead of creating one
    #[arg(long)]
    pub import: bool,
    /// Replace an existing identity; its file is renamed and kept in the same folder
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Run in the foreground and log to stderr
    #[arg(short, long)]
    pub foreground: bool,
    #[command(flatten)]
    pub node: NodeArgs,
    /// Set by `start` when it runs itself in the background
    #[arg(long, hide = true, requires = "foreground")]
    pub detached: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct NodeArgs {
    /// The services that the node offers [default: both]
    #[arg(short, long, value_enum)]
    pub mode: Option<Mode>,
    /// Read this file instead of ~/.config/pylon/config.toml
    #[arg(short, long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// How the log is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub log_format: LogFormat,
}

impl NodeArgs {
    /// The services that the node offers.
    pub(crate) fn mode(&self) -> Mode {
        self.mode.unwrap_or(Mode::Both)
    }
}

#[derive(Debug, Args)]
pub(crate) struct RestartArgs {
    #[command(flatten)]
    pub stop: StopArgs,
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Print new lines, too, until you stop it
    #[arg(short, long)]
    pub follow: bool,
    /// Only lines about this job: its id, or the beginning of it
    #[arg(short, long, value_name = "ID")]
    pub job: Option<String>,
    /// The number of past lines
    #[arg(
        short, long, value_name = "N", default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(0..=1_000_000)
    )]
    pub limit: u32,
}

/// The services of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Sell jobs on relays
    Provider,
    /// Serve local clients only, without relays
    Host,
    /// Both
    Both,
}

impl Mode {
    /// The names shown by `status`.
    pub(crate) fn names(self) -> Vec<String> {
        let names: &[&str] = match self {
            Self::Provider => &["provider"],
            Self::Host => &["host"],
            Self::Both => &["provider", "host"],
        };
        names.iter().map(ToString::to_string).collect()
    }

    /// The mode with these names.
    pub(crate) fn from_names(names: &[String]) -> Option<Self> {
        Self::value_variants().iter().copied().find(|mode| mode.names() == names)
    }

    /// The value of the option.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Host => "host",
            Self::Both => "both",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// The time that running jobs have to finish; unfinished jobs continue after the next start
    #[arg(
        short, long, value_name = "SECONDS", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(0..=86_400)
    )]
    pub timeout: u64,
    /// Kill the node if it has not stopped by then
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Use this file instead of ~/.config/pylon/config.toml
    #[arg(short, long, value_name = "PATH")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EarningsArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The number of earnings to list, newest first
    #[arg(
        short, long, value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(0..=100_000)
    )]
    pub limit: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List the latest jobs
    List(JobsListArgs),
    /// Show the details of one job
    Show(JobsShowArgs),
    /// Send a result that waits for review
    ///
    /// A result waits for review if the verification guest gave no verdict.
    Accept(JobsReviewArgs),
    /// Discard a result that waits for review
    ///
    /// Nothing is charged; a payment becomes a refund due.
    Reject(JobsReviewArgs),
}

#[derive(Debug, Args)]
pub(crate) struct JobsListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The number of jobs, newest first
    #[arg(
        short, long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub limit: u32,
    /// Only jobs with this status
    #[arg(
        short, long,
        value_parser = [
            "received", "awaiting_payment", "processing", "completed", "failed", "cancelled"
        ]
    )]
    pub status: Option<String>,
    /// Follow the changes: redraws a terminal, otherwise prints a line for each change
    #[arg(short, long)]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct JobsShowArgs {
    /// The job id, or its unique beginning
    pub job: String,
    /// Show what was asked and answered, too, as long as the journal keeps it
    #[arg(short, long)]
    pub text: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct JobsReviewArgs {
    /// The job id, or its unique beginning
    pub job: String,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Print new events until the node stops
    #[arg(short, long)]
    pub follow: bool,
    /// Print JSON, one event per line
    #[arg(long)]
    pub json: bool,
    /// The number of past events
    #[arg(
        short, long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(0..=1000)
    )]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The new file; an existing one is never overwritten
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct CompileComponentArgs {
    /// The engine that runs the code
    #[arg(value_parser = ["policy", "handler"])]
    pub engine: String,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder, which is created if it does not exist
    pub dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Use this llama.cpp server instead of the small one that the demo installs
    #[arg(long, value_name = "URL")]
    pub backend: Option<url::Url>,
    /// Print each step as JSON
    #[arg(long)]
    pub json: bool,
    /// The number of jobs; several are bought by three customers with different bids and lengths
    #[arg(
        long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub jobs: u32,
    /// Keep the identity, database and logs of the demo in this folder
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

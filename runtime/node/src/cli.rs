//! The command line, and nothing else: what may be written, with its help.

pub mod job;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Sell this machine's compute for Bitcoin over Nostr.
#[derive(Debug, Parser)]
#[command(name = "pylon", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create the identity of this node and say where everything is
    Init,
    /// Take jobs until told to stop
    Start(StartArgs),
    /// Buy from other providers
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Show a whole market on this machine: relay, node, customer and play money
    Demo(DemoArgs),
}

#[derive(Debug, Args)]
pub struct StartArgs {
    /// Stay in the foreground and log to stderr
    #[arg(short, long, required = true)]
    pub foreground: bool,
    /// Read this file instead of ~/.config/pylon/config.toml
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Generate with this llama.cpp server instead of the small one that comes with the demo
    #[arg(long, value_name = "URL")]
    pub backend: Option<url::Url>,
    /// Print what happened as JSON
    #[arg(long)]
    pub json: bool,
    /// How many jobs the customer buys
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub jobs: u32,
    /// Keep identity, database and logs of the demo in this folder
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;

    /// Goal: what is documented parses, and a mistake is a usage error (exit code 2), never a guess. Method: one command line a row.
    #[test]
    fn command_lines() {
        let check = |line: &str, expected: Option<ErrorKind>| {
            let found = Cli::try_parse_from(line.split(' ')).err().map(|error| error.kind());
            assert_eq!(found, expected, "{line}");
        };
        check("pylon init", None);
        check("pylon start -f", None);
        check("pylon start --foreground --config other.toml", None);
        check("pylon demo", None);
        check("pylon demo --backend http://localhost:8080 --json --jobs 5 --keep here", None);
        check("pylon --version", Some(ErrorKind::DisplayVersion));
        check("pylon demo --help", Some(ErrorKind::DisplayHelp));
        check("pylon", Some(ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand));
        check("pylon begin", Some(ErrorKind::InvalidSubcommand));
        check("pylon start", Some(ErrorKind::MissingRequiredArgument));
        check("pylon start -f --config", Some(ErrorKind::InvalidValue));
        check("pylon demo --jobs 0", Some(ErrorKind::ValueValidation));
        check("pylon demo --jobs many", Some(ErrorKind::ValueValidation));
        check("pylon demo --backend localhost", Some(ErrorKind::ValueValidation));
        check("pylon init extra", Some(ErrorKind::UnknownArgument));
        check("pylon job submit hello --bid 1000 --param max_tokens=9 --wait --json", None);
        check("pylon job submit --input url:https://x.org/a --kind 5001", None);
        check("pylon job submit x --input file:a", Some(ErrorKind::ValueValidation));
        check("pylon job submit x --param =1", Some(ErrorKind::ValueValidation));
        check("pylon job submit x --kind 6050", Some(ErrorKind::ValueValidation));
        check("pylon job submit x --encrypt", Some(ErrorKind::MissingRequiredArgument));
        check("pylon job submit x --relay https://x.org", Some(ErrorKind::ValueValidation));
        check("pylon job submit x --provider me", Some(ErrorKind::ValueValidation));
        check("pylon job results", Some(ErrorKind::MissingRequiredArgument));
    }
}

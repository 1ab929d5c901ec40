//! The command line, and nothing else: what may be written, with its help.

pub(crate) mod guest;
pub(crate) mod job;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Sell this machine's compute for Bitcoin over Nostr.
#[derive(Debug, Parser)]
#[command(name = "pylon", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the identity of this node and say where everything is
    Init(InitArgs),
    /// Take jobs until told to stop, in the background
    ///
    /// RUST_LOG says what is logged: `debug` shows more of this program, `compute=trace` each message of the market, and a library only
    /// warns unless it is named, as in `debug,reqwest=info`.
    Start(StartArgs),
    /// Let the node end what it is at, and stop it
    Stop(StopArgs),
    /// Show whether a node runs here, and how it does
    ///
    /// Exit code 0: a node runs. 1: none does.
    Status(JsonArgs),
    /// Check everything that a node needs, and say what to do
    ///
    /// Exit code 0: nothing that is configured is broken. 1: something is.
    Doctor(DoctorArgs),
    /// Show what was earned
    Earnings(EarningsArgs),
    /// Look at the jobs of this node
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Show what happened lately on the node that runs
    Events(EventsArgs),
    /// Show the backends that generate text
    Backends(JsonArgs),
    /// Show the models that they serve
    Models(JsonArgs),
    /// Let the node that runs read its settings again
    Reload(JsonArgs),
    /// Copy the database to a file, also while a node runs
    ///
    /// The identity is not in it: keep its recovery phrase apart.
    Backup(BackupArgs),
    /// Buy from other providers
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Write guests of your own, and run them: see, install, compare, roll back
    #[command(subcommand)]
    Guest(guest::GuestCommand),
    /// Show a whole market on this machine: relay, node, customer and play money
    Demo(DemoArgs),
    /// Print what a shell needs to complete commands
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    Man(ManArgs),
    /// How the node compiles guests in a process of its own: a component on stdin, its code on stdout
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
    /// Take the recovery phrase from stdin instead of making one
    #[arg(long)]
    pub import: bool,
    /// Replace an identity that is there; its file is kept beside the new one
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Stay in the foreground and log to stderr
    #[arg(short, long)]
    pub foreground: bool,
    /// What to do
    #[arg(short, long, value_enum, default_value_t = Mode::Both)]
    pub mode: Mode,
    /// Read this file instead of ~/.config/pylon/config.toml
    #[arg(short, long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// How `start` runs itself in the background
    #[arg(long, hide = true, requires = "foreground")]
    pub detached: bool,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Sell on relays
    Provider,
    /// Serve only this machine's own callers: no relay is opened
    Host,
    /// Both
    Both,
}

impl Mode {
    /// As `status` shows them.
    pub(crate) fn names(self) -> Vec<String> {
        let names: &[&str] = match self {
            Self::Provider => &["provider"],
            Self::Host => &["host"],
            Self::Both => &["provider", "host"],
        };
        names.iter().map(ToString::to_string).collect()
    }

    /// As it is written.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Host => "host",
            Self::Both => "both",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// How long jobs at work may go on; what is not done then goes on at the next start
    #[arg(short, long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub timeout: u64,
    /// Kill it if it has not stopped then
    #[arg(short, long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Check with this file instead of ~/.config/pylon/config.toml
    #[arg(short, long, value_name = "PATH")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EarningsArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// How many of the latest to list
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub limit: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List the jobs taken last
    List(JobsListArgs),
    /// Show all that is known of one job
    Show(JobsShowArgs),
    /// Send a result that verification could not judge
    Release(JobsReviewArgs),
    /// Do not send a result that verification could not judge; nothing is charged, and what was paid is owed back
    Reject(JobsReviewArgs),
}

#[derive(Debug, Args)]
pub(crate) struct JobsListArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// How many
    #[arg(short, long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Only those with this status
    #[arg(short, long, value_parser = ["received", "awaiting_payment", "processing", "completed", "failed", "cancelled"])]
    pub status: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct JobsShowArgs {
    /// The job's id, or as much of its beginning as no other has
    pub job: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct JobsReviewArgs {
    /// The job's id, or as much of its beginning as no other has
    pub job: String,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Go on with what happens from now on
    #[arg(short, long)]
    pub follow: bool,
    /// Print JSON, one event a line
    #[arg(long)]
    pub json: bool,
    /// How many of the latest
    #[arg(short, long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// Where to; what is there is never overwritten
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct CompileComponentArgs {
    /// For which engine
    #[arg(value_parser = ["policy", "handler"])]
    pub tier: String,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where to; it is made if it is not there
    pub dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
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
        check("pylon init --import --force", None);
        check("pylon start", None);
        check("pylon start -f", None);
        check("pylon start --foreground --config other.toml -m host", None);
        check("pylon stop --timeout 5 --force", None);
        check("pylon status --json", None);
        check("pylon doctor --json", None);
        check("pylon earnings --json --limit 20", None);
        check("pylon jobs list --limit 5 --status failed", None);
        check("pylon jobs show 0a1b --json", None);
        check("pylon events --follow --json", None);
        check("pylon backends --json", None);
        check("pylon models", None);
        check("pylon reload", None);
        check("pylon backup copy.db", None);
        check("pylon completions bash", None);
        check("pylon man pages", None);
        check("pylon compile-component policy", None);
        check("pylon compile-component world", Some(ErrorKind::InvalidValue));
        check("pylon demo", None);
        check("pylon demo --backend http://localhost:8080 --json --jobs 5 --keep here", None);
        check("pylon --version", Some(ErrorKind::DisplayVersion));
        check("pylon demo --help", Some(ErrorKind::DisplayHelp));
        check("pylon", Some(ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand));
        check("pylon begin", Some(ErrorKind::InvalidSubcommand));
        check("pylon start --mode sell", Some(ErrorKind::InvalidValue));
        check("pylon start --detached", Some(ErrorKind::MissingRequiredArgument));
        check("pylon start -f --config", Some(ErrorKind::InvalidValue));
        check("pylon stop --timeout soon", Some(ErrorKind::ValueValidation));
        check("pylon jobs list --status done", Some(ErrorKind::InvalidValue));
        check("pylon jobs show", Some(ErrorKind::MissingRequiredArgument));
        check("pylon earnings --limit -1", Some(ErrorKind::UnknownArgument));
        check("pylon completions tcsh", Some(ErrorKind::InvalidValue));
        check("pylon demo --jobs 0", Some(ErrorKind::ValueValidation));
        check("pylon demo --jobs many", Some(ErrorKind::ValueValidation));
        check("pylon demo --backend localhost", Some(ErrorKind::ValueValidation));
        check("pylon init extra", Some(ErrorKind::UnknownArgument));
        check("pylon job submit hello --bid 1000 --param max_tokens=9 --wait --json", None);
        check("pylon job submit --input url:https://x.org/a --kind 5001", None);
        check("pylon job submit --kind 5050 --wait", Some(ErrorKind::MissingRequiredArgument));
        check("pylon job submit x --input file:a", Some(ErrorKind::ValueValidation));
        check("pylon job submit x --param =1", Some(ErrorKind::ValueValidation));
        check("pylon job submit x --kind 6050", Some(ErrorKind::ValueValidation));
        check("pylon job submit x --encrypt", Some(ErrorKind::MissingRequiredArgument));
        check("pylon job submit x --relay https://x.org", Some(ErrorKind::ValueValidation));
        check("pylon job submit x --provider me", Some(ErrorKind::ValueValidation));
        check("pylon guest new policy pricing happy_hours", None);
        check("pylon guest new handler 5123 echo", None);
        check("pylon guest build", None);
        check("pylon guest test happy_hours --json", None);
        check("pylon guest inspect happy_hours.wasm --json", None);
        check("pylon guest sign --key key happy_hours.wasm --expires 90", None);
        check("pylon guest new policy mining it", Some(ErrorKind::InvalidValue));
        check("pylon guest new pricing it", Some(ErrorKind::InvalidSubcommand));
        check("pylon guest new policy pricing ../it", Some(ErrorKind::ValueValidation));
        check("pylon guest new handler 6050 it", Some(ErrorKind::ValueValidation));
        check("pylon guest sign it.wasm", Some(ErrorKind::MissingRequiredArgument));
        check("pylon guest replay 0a1b --json", None);
        check("pylon guest verify-log --since 12h --json", None);
        check(
            "pylon guest backtest mine.wasm --slot pricing:5050 --since 30d --kind 5050 --settings s.toml --svg o.svg",
            None,
        );
        check("pylon guest replay", Some(ErrorKind::MissingRequiredArgument));
        check("pylon guest verify-log --since 12", Some(ErrorKind::ValueValidation));
        check("pylon guest backtest mine.wasm --kind 6050", Some(ErrorKind::ValueValidation));
        check("pylon jobs release 0a1b", None);
        check("pylon jobs reject", Some(ErrorKind::MissingRequiredArgument));
        check("pylon guest list --history --json", None);
        check(
            "pylon guest install token_pricing --slot pricing --settings base-msat=9 --settings terms=hold --shadow",
            None,
        );
        check(
            "pylon guest install https://x.org/a.wasm --slot handler:5050 --digest aa",
            Some(ErrorKind::ValueValidation),
        );
        check("pylon guest install token_pricing", Some(ErrorKind::MissingRequiredArgument));
        check("pylon guest install token_pricing --slot prices", Some(ErrorKind::ValueValidation));
        check("pylon guest rollback pricing --to 3", None);
        check("pylon guest rollback pricing --to 0", None);
        check("pylon guest rollback pricing --to x", Some(ErrorKind::ValueValidation));
        check("pylon guest activate pricing:5050 --json", None);
        check("pylon guest approve handler:5050", None);
        check("pylon guest compare routing --json", None);
        check("pylon guest audit --limit 5", None);
        check("pylon job results", Some(ErrorKind::MissingRequiredArgument));
    }

    /// Goal: who leaves a word out of `guest new` learns where it belongs. Method: a line without, and what is said.
    #[test]
    fn a_word_that_is_missing() {
        for (line, words) in [
            (
                "pylon guest new pricing it",
                "pylon guest new policy <pricing|routing|verification> <NAME>",
            ),
            ("pylon guest new handler it", "a kind of job is a number, 5000 to 5999"),
        ] {
            let said = Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
            assert!(said.contains(words), "{line}: {said}");
        }
    }
}

//! The arguments of `pylon guest`.

use super::parse;
use super::records::{BacktestArgs, ReplayArgs, VerifyLogArgs};
use clap::{Args, Subcommand, ValueEnum};
use pylon_authoring::scaffold;
use pylon_core::Digest;
use pylon_sandbox::{Role, Slot};
use std::path::PathBuf;

/// Both forms, so that an error shows where the missing word belongs.
const NEW_USAGE: &str = "pylon guest new policy <pricing|routing|verification> <NAME>\n       \
                         pylon guest new handler <KIND> <NAME>";

#[derive(Debug, Subcommand)]
pub(crate) enum GuestCommand {
    /// Create the crate of a new guest, which builds and passes its tests
    #[command(subcommand, override_usage = NEW_USAGE)]
    New(NewCommand),
    /// Build a guest; the component is NAME.wasm in its folder
    Build(BuildArgs),
    /// Run the test cases of a guest, and show the cost of each call
    ///
    /// Exit code 0: all cases passed. 1: a case failed.
    Test(TestArgs),
    /// Show the world, imports, settings, limits and publisher of a component
    ///
    /// Exit code 0: a node can run the component. 1: it cannot.
    Inspect(InspectArgs),
    /// Precompile a component for nodes that do not compile (`lockdown.allow_compile = false`)
    ///
    /// This machine must have the same architecture and version of pylon as those nodes.
    Compile(CompileArgs),
    /// Sign a component or a precompiled file; the release is written to FILE.release.json
    Sign(SignArgs),
    /// List the guests in all slots, with their statistics if a node runs
    List(ListArgs),
    /// Install a guest into a slot; running jobs keep their guests
    Install(InstallArgs),
    /// Replace the guest of a slot by the slot's shadow
    Activate(SlotArgs),
    /// Restore the previous guest of a slot
    Rollback(RollbackArgs),
    /// Approve a guest that requests more grants than its slot had
    Approve(SlotArgs),
    /// Compare the answers of a shadow with those of the serving guest
    Compare(SlotArgs),
    /// List changes of slots, including failed ones, newest first
    Audit(AuditArgs),
    /// Repeat the recorded decisions about one job with the same guests, and compare
    ///
    /// Exit code 0: all decisions are equal. 1: a decision differs.
    Replay(ReplayArgs),
    /// Replay all recorded decisions, and check that no record was changed or removed
    ///
    /// Exit code 0: the log is intact. 1: it is not.
    VerifyLog(VerifyLogArgs),
    /// Run another policy on recorded decisions, and show what it would have changed
    Backtest(BacktestArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum NewCommand {
    /// A policy decides about jobs: their price, their backend, or whether a result is good
    Policy(NewPolicyArgs),
    /// A handler executes one kind of job
    Handler(NewHandlerArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewPolicyArgs {
    /// The kind of policy
    pub world: PolicyWorld,
    /// The name of the crate and of its new folder
    #[arg(value_parser = scaffold::parse_name)]
    pub name: String,
}

#[derive(Debug, Args)]
pub(crate) struct NewHandlerArgs {
    /// The NIP-90 request kind, 5000 to 5999
    #[arg(value_parser = parse::kind)]
    pub kind: u16,
    /// The name of the crate and of its new folder
    #[arg(value_parser = scaffold::parse_name)]
    pub name: String,
}

/// The world of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyWorld {
    /// Decides what a job costs
    Pricing,
    /// Decides which backend runs a job
    Routing,
    /// Decides whether a result is good
    Verification,
}

impl PolicyWorld {
    pub(crate) const fn role(self) -> Role {
        match self {
            Self::Pricing => Role::Pricing,
            Self::Routing => Role::Routing,
            Self::Verification => Role::Verification,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The folder of the crate
    #[arg(default_value = ".")]
    pub dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The folder of the crate, which is built first, or a component NAME.wasm with NAME.cases.toml
    /// in the same folder
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The component, or a folder with one
    pub file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// A file with your secret key (nsec, 64 hex digits or a recovery phrase), accessible only to
    /// you
    #[arg(short, long, value_name = "FILE")]
    pub key: PathBuf,
    /// Days until the release expires [default: never]
    #[arg(
        short, long, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=36_500)
    )]
    pub expires: Option<u32>,
    /// The component, a folder with one, or a file made by `pylon guest compile`
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    /// The component, a folder with one, or the name of a guest that comes with pylon; for a name,
    /// the output is written to the current folder
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// List all past changes of the slots instead
    #[arg(long)]
    pub history: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The name of a guest that comes with pylon, a component, a folder with one, or an https
    /// address
    pub source: String,
    /// The slot: routing, pricing or verification, optionally for one kind (pricing:5050), or
    /// handler:KIND
    #[arg(short, long, value_name = "SLOT")]
    pub slot: Slot,
    /// The SHA-256 that the component must have; required for an https address
    #[arg(short, long, value_name = "HEX", value_parser = parse::digest)]
    pub digest: Option<Digest>,
    /// A setting of the guest, such as base-msat=1000; repeatable. Other settings have the guest's
    /// defaults
    #[arg(
        long = "set", visible_alias = "settings", value_name = "NAME=VALUE",
        value_parser = parse::setting
    )]
    pub settings: Vec<(String, String)>,
    /// Install the guest as a shadow: it gets the same calls, and its answers are only recorded
    #[arg(long)]
    pub shadow: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SlotArgs {
    /// The slot
    pub slot: Slot,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The slot
    pub slot: Slot,
    /// The revision to restore, from `pylon guest list --history`; 0 is the state before the first
    /// change [default: the previous guest]
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The number of rows
    #[arg(
        short, long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub limit: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

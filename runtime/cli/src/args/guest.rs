//! `pylon guest`: what who writes guests, and who runs them, may write.

pub(crate) mod records;

use clap::{Args, Subcommand, ValueEnum};
use pylon_authoring::scaffold;
use pylon_core::Digest;
use pylon_sandbox::{Role, Slot};
use std::path::PathBuf;

/// Both ways in full: whoever leaves a word out sees where it belongs.
const NEW_USAGE: &str = "pylon guest new policy <pricing|routing|verification> <NAME>\n       pylon guest new handler <KIND> <NAME>";

#[derive(Debug, Subcommand)]
pub(crate) enum GuestCommand {
    /// Begin a guest: a crate that builds and passes its own cases at once
    #[command(subcommand, override_usage = NEW_USAGE)]
    New(NewCommand),
    /// Build a guest to a component, NAME.wasm in its folder
    Build(BuildArgs),
    /// Ask a guest the questions of its cases, and show what each answer took
    ///
    /// Exit code 0: every answer was as expected. 1: one was not.
    Test(TestArgs),
    /// Show what a component is: world, imports, settings, limits, publisher
    ///
    /// Exit code 0: a node can run it. 1: none can.
    Inspect(InspectArgs),
    /// Compile a component to an image for nodes that compile nothing (`lockdown.allow_compile`); this machine must be as theirs
    Compile(CompileArgs),
    /// Sign a component or an image as yours, in a file beside it
    Sign(SignArgs),
    /// Show who is in which slot, and how they do
    List(ListArgs),
    /// Put a guest into a slot for all jobs from now on; jobs at work keep theirs
    Install(InstallArgs),
    /// Let a slot's shadow serve from now on
    Activate(SlotArgs),
    /// Put back what was in a slot before
    Rollback(RollbackArgs),
    /// Let a guest in that wants more than its slot had
    Approve(SlotArgs),
    /// Show what a shadow would have said instead of the guest that serves
    Compare(SlotArgs),
    /// Show what was done to slots or tried, the newest first
    Audit(AuditArgs),
    /// Ask again what was asked about a job, of the guests of that time, and compare
    ///
    /// Exit code 0: every answer is as it was recorded. 1: one is not.
    Replay(records::ReplayArgs),
    /// Do the same for all jobs, and look whether a record was changed or is missing
    ///
    /// Exit code 0: the log is as it was written. 1: it is not.
    VerifyLog(records::VerifyLogArgs),
    /// Ask another policy what was asked before, and show what it would have changed
    Backtest(records::BacktestArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum NewCommand {
    /// Something that decides: what a job costs, where it runs, whether the result is good
    Policy(NewPolicyArgs),
    /// Something that does a kind of job
    Handler(NewHandlerArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewPolicyArgs {
    /// What it decides
    pub world: PolicyWorld,
    /// Of the crate, and of the folder that is made for it here
    #[arg(value_parser = scaffold::name)]
    pub name: String,
}

#[derive(Debug, Args)]
pub(crate) struct NewHandlerArgs {
    /// What kind of job (NIP-90), 5000 to 5999
    #[arg(value_parser = kind)]
    pub kind: u16,
    /// Of the crate, and of the folder that is made for it here
    #[arg(value_parser = scaffold::name)]
    pub name: String,
}

/// What a policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyWorld {
    /// What a job costs
    Pricing,
    /// Where it runs
    Routing,
    /// Whether the result is good
    Verification,
}

impl PolicyWorld {
    /// As the sandbox calls it.
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
    /// The folder of the crate, which is built before, or a component with its cases beside it, in NAME.cases.toml
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
    /// A file with your secret key: an nsec, 64 hex digits or a recovery phrase; readable only for you
    #[arg(short, long, value_name = "FILE")]
    pub key: PathBuf,
    /// For how many days the release is good; without it, for ever
    #[arg(short, long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub expires: Option<u32>,
    /// The component, a folder with one, or an image that `pylon guest compile` made
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    /// The component, a folder with one, or the name of a guest that comes with pylon, whose image is then written here
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Every change of every slot, instead of what is there now
    #[arg(long)]
    pub history: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// A guest that comes with pylon by name, a component, a folder with one, or an https address
    pub source: String,
    /// Where: pricing, routing, verification, each also for one kind (pricing:5050), or handler:KIND
    #[arg(short, long, value_name = "SLOT")]
    pub slot: Slot,
    /// SHA-256 of the component; anything else is refused. An address needs it
    #[arg(short, long, value_name = "HEX", value_parser = digest)]
    pub digest: Option<Digest>,
    /// One of its own settings, such as base-msat=1000; may come again. Those not named have the guest's default
    #[arg(long = "set", visible_alias = "settings", value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// Only ask it beside the guest that serves, and act on nothing it says
    #[arg(long)]
    pub shadow: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SlotArgs {
    /// Which slot
    pub slot: Slot,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// Which slot
    pub slot: Slot,
    /// What was there in this revision (`pylon guest list --history`; 0 is before the first), instead of what was there before
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// How many
    #[arg(short, long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A kind of job.
pub(crate) fn kind(text: &str) -> Result<u16, String> {
    let kind = text.parse().ok().filter(|kind| (5000..=5999).contains(kind));
    kind.ok_or_else(|| "a kind of job is a number, 5000 to 5999".into())
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::from_hex(text).ok_or_else(|| "expected 64 lowercase hex digits".into())
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err(
            "expected NAME=VALUE, such as base-msat=1000; each setting has a `--set` of its own"
                .into(),
        ),
    }
}

//! `pylon guest`: what who runs guests may write.

use clap::{Args, Subcommand};
use pylon_core::Digest;
use pylon_sandbox::Slot;

#[derive(Debug, Subcommand)]
pub enum GuestCommand {
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
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Every change of every slot, instead of what is there now
    #[arg(long)]
    pub history: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct InstallArgs {
    /// A guest that comes with pylon by name, a component, a folder with one, or an https address
    pub source: String,
    /// Where: pricing, routing, verification, each also for one kind (pricing:5050), or handler:KIND
    #[arg(short, long, value_name = "SLOT")]
    pub slot: Slot,
    /// SHA-256 of the component; anything else is refused. An address needs it
    #[arg(short, long, value_name = "HEX", value_parser = digest)]
    pub digest: Option<Digest>,
    /// One of its own settings; those not named have the guest's default
    #[arg(long = "settings", value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// Only ask it beside the guest that serves, and act on nothing it says
    #[arg(long)]
    pub shadow: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SlotArgs {
    /// Which slot
    pub slot: Slot,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Which slot
    pub slot: Slot,
    /// What was there in this generation (`pylon guest list --history`), instead of what was there before
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub to: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// How many
    #[arg(short, long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::from_hex(text).ok_or_else(|| "expected 64 lowercase hex digits".into())
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

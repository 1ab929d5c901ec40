//! The arguments of the commands that work on recorded decisions.

use super::parse;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The job id, or its unique beginning
    pub job: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyLogArgs {
    /// Only decisions newer than this, such as 12h or 7d
    #[arg(long, value_name = "AGE", value_parser = parse::age)]
    pub since: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    /// The component, a folder with one, or the name of a guest that comes with pylon
    pub guest: PathBuf,
    /// The slot whose decisions are tested, such as pricing or routing:5050 [default: the slot of
    /// the guest's world]
    #[arg(long)]
    pub slot: Option<String>,
    /// The age of the oldest decision, such as 12h or 7d
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = parse::age)]
    pub since: u64,
    /// Only jobs of this kind
    #[arg(long, value_parser = parse::kind)]
    pub kind: Option<u16>,
    /// A TOML file with the settings of the guest, one per line, such as base-msat = 1000
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Write a chart of earnings and prices to this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

//! The commands about what was decided before.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The job's id, or as much of its beginning as no other has
    pub job: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyLogArgs {
    /// Only what is newer than this, such as 12h or 7d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub since: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    /// The component, a folder with one, or the name of a guest that comes with pylon
    pub guest: PathBuf,
    /// Whose questions it is asked: pricing, routing:5050, …; without it, those of its world
    #[arg(long)]
    pub slot: Option<String>,
    /// How far back, such as 12h or 7d
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = age)]
    pub since: u64,
    /// Only jobs of this kind
    #[arg(long, value_parser = super::kind)]
    pub kind: Option<u16>,
    /// A TOML file with its settings, a line for each, such as: base-msat = 1000
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Draw earnings and prices into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Seconds of an age with its unit.
fn age(text: &str) -> Result<u64, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
    let seconds = units.iter().find_map(|(unit, seconds)| {
        text.strip_suffix(*unit)?.parse::<u64>().ok()?.checked_mul(*seconds)
    });
    seconds.ok_or_else(|| "an age is a number and one of s, m, h, d, w, such as 7d".into())
}

//! `pylon jobs release` and `pylon jobs reject`: the operator's word on a result that verification could not judge.

use crate::cli::JobsReviewArgs;
use crate::control::{Client, Review};
use crate::home::Home;
use crate::output::say;
use anyhow::Result;
use pylon_adapters::journal::Books;

/// Tells the node that runs.
pub fn run(args: &JobsReviewArgs, release: bool) -> Result<()> {
    let home = Home::from_env()?;
    let job = super::jobs_show::find(&Books::open(&home.database())?, &args.job)?;
    super::block_on(async { Ok(Client::new(&home).review(Review { job, release }).await?) })?;
    say(&format!("{} {}\n", if release { "released" } else { "rejected" }, job.short()))
}

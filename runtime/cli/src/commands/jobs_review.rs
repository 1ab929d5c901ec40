//! `pylon jobs release` and `pylon jobs reject`: the operator's word on a result that verification could not judge.

use crate::args::JobsReviewArgs;
use crate::output::say;
use anyhow::Result;
use pylon_control_api::{Client, Review};
use pylon_journal::ReadOnlyJournal;
use pylon_node::home::Home;

/// Tells the node that runs.
pub(crate) fn run(args: &JobsReviewArgs, release: bool) -> Result<()> {
    let home = Home::from_env()?;
    let job = super::jobs_show::find(&ReadOnlyJournal::open(&home.database())?, &args.job)?;
    super::block_on(async {
        Ok(Client::new(home.socket()).review(Review { job, release }).await?)
    })?;
    say(&format!("{} {}\n", if release { "released" } else { "rejected" }, job.short()))
}

//! `pylon jobs accept` and `pylon jobs reject`: the operator's decision about a result for which
//! the verification guest gave no verdict.

use super::find_job::find_job;
use crate::args::JobsReviewArgs;
use crate::output::print;
use anyhow::Result;
use pylon_control_api::{Client, Review};
use pylon_journal::ReadOnlyJournal;
use pylon_node::home::Home;

/// Sends the decision to the running node.
pub(crate) fn run(args: &JobsReviewArgs, accept: bool) -> Result<()> {
    let home = Home::from_env()?;
    let job = find_job(&ReadOnlyJournal::open(&home.database())?, &args.job)?;
    super::block_on(async {
        Ok(Client::new(home.socket()).review(Review { job, accept }).await?)
    })?;
    print(&format!("{} {}\n", if accept { "accepted" } else { "rejected" }, job.short()))
}

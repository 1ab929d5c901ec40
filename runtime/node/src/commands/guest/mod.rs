//! `pylon guest`: a file for each command.

mod activate;
mod approve;
mod audit;
mod compare;
mod install;
mod list;
mod order;
mod rollback;

use crate::cli::guest::GuestCommand;
use anyhow::Result;

/// Runs the command.
pub fn run(command: &GuestCommand) -> Result<()> {
    match command {
        GuestCommand::List(args) => list::run(args),
        GuestCommand::Install(args) => install::run(args),
        GuestCommand::Activate(args) => activate::run(args),
        GuestCommand::Rollback(args) => rollback::run(args),
        GuestCommand::Approve(args) => approve::run(args),
        GuestCommand::Compare(args) => compare::run(args),
        GuestCommand::Audit(args) => audit::run(args),
    }
}

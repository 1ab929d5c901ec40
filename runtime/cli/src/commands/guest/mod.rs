//! `pylon guest`: one file for each command.

mod activate;
mod approve;
mod audit;
mod backtest;
mod build;
mod compare;
mod compile;
mod component;
mod inspect;
mod install;
mod list;
mod new;
mod records;
mod replay;
mod rollback;
mod sign;
mod slot_change;
mod test;
mod verify_log;

use crate::args::guest::GuestCommand;
use anyhow::Result;

/// Runs the command.
pub(crate) fn run(command: &GuestCommand) -> Result<()> {
    match command {
        GuestCommand::New(command) => new::run(command),
        GuestCommand::Build(args) => build::run(args),
        GuestCommand::Test(args) => test::run(args),
        GuestCommand::Inspect(args) => inspect::run(args),
        GuestCommand::Compile(args) => compile::run(args),
        GuestCommand::Sign(args) => sign::run(args),
        GuestCommand::List(args) => list::run(args),
        GuestCommand::Install(args) => install::run(args),
        GuestCommand::Activate(args) => activate::run(args),
        GuestCommand::Rollback(args) => rollback::run(args),
        GuestCommand::Approve(args) => approve::run(args),
        GuestCommand::Compare(args) => compare::run(args),
        GuestCommand::Audit(args) => audit::run(args),
        GuestCommand::Replay(args) => replay::run(args),
        GuestCommand::VerifyLog(args) => verify_log::run(args),
        GuestCommand::Backtest(args) => backtest::run(args),
    }
}

//! `pylon guest`: a file for each command.

mod backtest;
mod records;
mod replay;
mod verify_log;

use crate::cli::guest::GuestCommand;
use anyhow::Result;

/// Runs the command.
pub fn run(command: &GuestCommand) -> Result<()> {
    match command {
        GuestCommand::Replay(args) => replay::run(args),
        GuestCommand::VerifyLog(args) => verify_log::run(args),
        GuestCommand::Backtest(args) => backtest::run(args),
    }
}

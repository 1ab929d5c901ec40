//! `pylon guest`: a file for each command.

mod build;
mod component;
mod inspect;
mod new;
mod sign;
mod test;

use crate::cli::guest::GuestCommand;
use anyhow::Result;

/// Runs the command.
pub fn run(command: &GuestCommand) -> Result<()> {
    match command {
        GuestCommand::New(command) => new::run(command),
        GuestCommand::Build(args) => build::run(args),
        GuestCommand::Test(args) => test::run(args),
        GuestCommand::Inspect(args) => inspect::run(args),
        GuestCommand::Sign(args) => sign::run(args),
    }
}

//! `pylon completions`: what a shell needs to complete commands.

use crate::cli::{Cli, CompletionsArgs};
use crate::output::say;
use anyhow::Result;
use clap::CommandFactory;

/// Prints it.
pub fn run(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pylon", &mut script);
    say(&String::from_utf8_lossy(&script))
}

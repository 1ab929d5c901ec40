//! `pylon completions`: what a shell needs to complete commands.

use crate::args::{Cli, CompletionsArgs};
use crate::output::say;
use anyhow::Result;
use clap::CommandFactory;

/// Prints it.
pub(crate) fn run(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pylon", &mut script);
    say(&String::from_utf8_lossy(&script))
}

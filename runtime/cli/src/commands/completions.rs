//! `pylon completions`: the completion script for a shell.

use crate::args::{Cli, CompletionsArgs};
use crate::output::print;
use anyhow::Result;
use clap::CommandFactory;

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pylon", &mut script);
    print(&String::from_utf8_lossy(&script))
}

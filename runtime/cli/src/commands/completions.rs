//! `pylon completions`: the completion script for a shell.

use crate::args::{self, CompletionsArgs};
use crate::output::print;
use anyhow::Result;

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "pylon", &mut script);
    print(&String::from_utf8_lossy(&script))
}

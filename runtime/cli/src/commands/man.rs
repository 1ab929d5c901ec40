//! `pylon man`: a manual page for each command.

use crate::args::{Cli, ManArgs};
use crate::output::print;
use anyhow::{Context, Result};
use clap::CommandFactory;

/// Writes the pages to a folder.
pub(crate) fn run(args: &ManArgs) -> Result<()> {
    let dir = &args.dir;
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
        .with_context(|| format!("cannot write to {}", dir.display()))?;
    print(&format!("manual pages are in {}: `man {}/pylon.1`\n", dir.display(), dir.display()))
}

//! `pylon man`: a manual page for each command.

use crate::args::help::{SECTIONS, examples};
use crate::args::{self, ManArgs};
use crate::output::print;
use anyhow::{Context, Result};
use clap::Command;
use clap::builder::{Resettable, StyledStr};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io::Write;
use std::path::Path;

/// Writes the pages to a folder.
pub(crate) fn run(args: &ManArgs) -> Result<()> {
    let dir = &args.dir;
    let mut command = args::command().disable_help_subcommand(true);
    command.build();
    std::fs::create_dir_all(dir)
        .and_then(|()| write_pages(&command, "", dir))
        .with_context(|| format!("cannot write to {}", dir.display()))?;
    print(&format!("manual pages are in {}: `man {}/pylon.1`\n", dir.display(), dir.display()))
}

/// The page of a command and those of its subcommands.
fn write_pages(command: &Command, path: &str, dir: &Path) -> std::io::Result<()> {
    // What the help has after the options is in sections of its own here.
    let none = || Resettable::<StyledStr>::Reset;
    let man = Man::new(command.clone().after_help(none()).after_long_help(none()));
    let mut page = Vec::new();
    man.render(&mut page)?;
    let mut sections = Roff::new();
    let examples = ("Examples", examples(path));
    let others = SECTIONS.iter().map(|section| (section.title, section.rows));
    for (title, rows) in std::iter::once(examples).chain(others) {
        if !rows.is_empty() {
            sections.control("SH", [title.to_uppercase().as_str()]);
        }
        for (name, what) in rows {
            sections.control("TP", []);
            sections.text([bold(*name)]);
            sections.text([roman(*what)]);
        }
    }
    write!(page, "{}", sections.to_roff())?;
    std::fs::write(dir.join(man.get_filename()), page)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_pages(sub, format!("{path} {}", sub.get_name()).trim_start(), dir)?;
    }
    Ok(())
}

//! `pylon backup`: a copy of the database as it was at one moment, also while a node runs.

use crate::cli::BackupArgs;
use crate::home::Home;
use crate::output::say;
use anyhow::{Context, Result, bail};
use pylon_adapters::journal::Books;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// Makes the copy, complete or not at all, and never over what is there.
pub fn run(args: &BackupArgs) -> Result<()> {
    let file = std::path::absolute(&args.file).with_context(|| args.file.display().to_string())?;
    let taken = || format!("{} exists: choose another name (nothing was changed)", file.display());
    if file.symlink_metadata().is_ok() {
        bail!("{}", taken());
    }
    let folder = file.parent().unwrap_or_else(|| Path::new("/"));
    let books = Books::open(&Home::from_env()?.database())?;
    let copy = tempfile::NamedTempFile::new_in(folder).with_context(|| format!("cannot write to {}", folder.display()))?;
    books.copy_to(copy.path()).with_context(|| format!("no copy was made in {}", folder.display()))?;
    let jobs = Books::open(copy.path())?.job_count()?;
    copy.as_file().sync_all().with_context(|| file.display().to_string())?;
    match copy.persist_noclobber(&file) {
        Ok(_) => {}
        Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => bail!("{}", taken()),
        Err(lost) => return Err(lost.error).with_context(|| format!("cannot write {}", file.display())),
    }
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| folder.display().to_string())?;
    say(&format!(
        "{jobs} jobs and their earnings are in {}\nThe identity is not in it: keep its recovery phrase apart.\n",
        file.display()
    ))
}

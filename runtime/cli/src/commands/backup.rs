//! `pylon backup`: a copy of the database as it was at one moment, also while a node runs.

use crate::args::BackupArgs;
use crate::output::say;
use anyhow::{Context, Result, bail};
use pylon_journal::ReadOnlyJournal;
use pylon_node::home::Home;
use rustix::fs::OFlags;
use rustix::process::geteuid;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use tempfile::TempPath;

/// Makes the copy, complete or not at all, and never over what is there.
pub(crate) fn run(args: &BackupArgs) -> Result<()> {
    let file = std::path::absolute(&args.file).with_context(|| args.file.display().to_string())?;
    let taken = || format!("{} exists: choose another name (nothing was changed)", file.display());
    if file.symlink_metadata().is_ok() {
        bail!("{}", taken());
    }
    let folder = file.parent().unwrap_or_else(|| Path::new("/"));
    let books = ReadOnlyJournal::open(&Home::from_env()?.database())?;
    let (copy, path) = part(&file)?;
    books.copy_to(&path).with_context(|| format!("no copy was made in {}", folder.display()))?;
    let jobs = ReadOnlyJournal::open(&path)?.job_count()?;
    copy.sync_all().with_context(|| file.display().to_string())?;
    match path.persist_noclobber(&file) {
        Ok(()) => {}
        Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => bail!("{}", taken()),
        Err(lost) => {
            return Err(lost.error).with_context(|| format!("cannot write {}", file.display()));
        }
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| folder.display().to_string())?;
    say(&format!(
        "{jobs} jobs and their earnings are in {}\nThe identity is not in it: keep its recovery phrase apart.\n",
        file.display()
    ))
}

/// The copy while it is made, empty and locked: removed when dropped. One that a killed backup has left behind is used again.
fn part(file: &Path) -> Result<(File, TempPath)> {
    let mut name = OsString::from(".");
    name.push(
        file.file_name().with_context(|| format!("{} is no name of a file", file.display()))?,
    );
    name.push(".part");
    let path = file.with_file_name(name);
    let cannot = || format!("cannot write {}", path.display());
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    let copy = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_link)
        .open(&path);
    let copy = copy.with_context(cannot)?;
    match copy.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("another backup writes {}: wait for it", file.display())
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
    }
    let (opened, there) =
        (copy.metadata().with_context(cannot)?, path.symlink_metadata().with_context(cannot)?);
    if opened.ino() != there.ino() {
        bail!(
            "another backup has just written {}: choose another name (nothing was changed)",
            file.display()
        );
    }
    if opened.uid() != geteuid().as_raw() || opened.mode() & 0o077 != 0 {
        bail!("{} is not private to this user: remove it", path.display());
    }
    let mut journal = path.clone().into_os_string();
    journal.push("-journal");
    match std::fs::remove_file(journal) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(cannot);
        }
        _ => copy.set_len(0).with_context(cannot)?,
    }
    Ok((copy, TempPath::try_from_path(path)?))
}

//! `pylon backup`: a consistent copy of the database. A node may run meanwhile.

use crate::args::BackupArgs;
use crate::output::{paragraph, print};
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

/// Writes the copy atomically. An existing file is never replaced.
pub(crate) fn run(args: &BackupArgs) -> Result<()> {
    let file = std::path::absolute(&args.file).with_context(|| args.file.display().to_string())?;
    let exists = || format!("{} exists: choose another name (nothing was changed)", file.display());
    if file.symlink_metadata().is_ok() {
        bail!("{}", exists());
    }
    let folder = file.parent().unwrap_or_else(|| Path::new("/"));
    let journal = ReadOnlyJournal::open(&Home::from_env()?.database())?;
    let (copy, path) = part(&file)?;
    journal
        .copy_to(&path)
        .with_context(|| format!("cannot copy the database to {}", folder.display()))?;
    let jobs = ReadOnlyJournal::open(&path)?.job_count()?;
    copy.sync_all().with_context(|| file.display().to_string())?;
    match path.persist_noclobber(&file) {
        Ok(()) => {}
        Err(lost) if lost.error.kind() == ErrorKind::AlreadyExists => bail!("{}", exists()),
        Err(lost) => {
            return Err(lost.error).with_context(|| format!("cannot write {}", file.display()));
        }
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| folder.display().to_string())?;
    let text = format!("{} has {jobs} jobs and their earnings", file.display());
    print(&format!(
        "{}It does not contain the identity: keep its recovery phrase separately.\n",
        paragraph("", &text)
    ))
}

/// The temporary file for the copy, empty and locked, which is removed when dropped. The file of a
/// killed backup is used again.
fn part(file: &Path) -> Result<(File, TempPath)> {
    let mut name = OsString::from(".");
    name.push(file.file_name().with_context(|| format!("{} has no file name", file.display()))?);
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
            bail!("another backup is writing {}: wait until it ends", file.display())
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
    }
    let (opened, current) =
        (copy.metadata().with_context(cannot)?, path.symlink_metadata().with_context(cannot)?);
    if opened.ino() != current.ino() {
        bail!(
            "another backup has written {}: choose another name (nothing was changed)",
            file.display()
        );
    }
    if opened.uid() != geteuid().as_raw() || opened.mode() & 0o077 != 0 {
        bail!("{} is accessible to other users: remove it", path.display());
    }
    let mut rollback_journal = path.clone().into_os_string();
    rollback_journal.push("-journal");
    match std::fs::remove_file(rollback_journal) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(cannot);
        }
        _ => copy.set_len(0).with_context(cannot)?,
    }
    Ok((copy, TempPath::try_from_path(path)?))
}

//! Opens the file: permissions, settings, and one error line for each way in which that fails.

use crate::error::{unreadable, unwritable};
use crate::migrations;
use pylon_core::ports::journal::JournalError;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long to wait for another process that writes, such as an operator's `sqlite3`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// More than all statements of one connection.
const CACHED_STATEMENTS_MAX: usize = 64;
/// A commit syncs the log to disk (`FULL`), so that acknowledged rows survive a loss of power.
/// Temporary data stays in memory; savepoints would otherwise create files. A checkpoint every 16
/// MiB of log costs less than the default of 4 MiB.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                        PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; \
                        PRAGMA wal_autocheckpoint = 4096;";

pub(super) fn for_writing(path: &Path) -> Result<Connection, JournalError> {
    make_private(path).map_err(|error| {
        JournalError::Unwritable(format!(
            "pylon.db cannot be opened for writing: {}",
            open_error_message(&error)
        ))
    })?;
    let mut conn = connect(path)?;
    // Checked first: a foreign or newer file must not be changed.
    if migrations::check(&conn, migrations::STEPS).map_err(explain)? == 0 {
        // Lets the file shrink. Must be set before the first table exists.
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(unwritable)?;
    }
    conn.execute_batch(SETTINGS).map_err(unwritable)?;
    migrations::run(&mut conn, migrations::STEPS)?;
    Ok(conn)
}

/// Opens a journal that [`for_writing`] has opened before.
pub(super) fn for_reading(path: &Path) -> Result<Connection, JournalError> {
    let conn = connect(path)?;
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")
        .map_err(unreadable)?;
    Ok(conn)
}

/// Opens a journal for the operator, whether a node is running or not. SQLite creates files next to
/// the database even to read it. Where it may not, no other process can write either, so the
/// database is opened as immutable, unless a log with further commits was left behind.
pub(super) fn for_inspection(path: &Path) -> Result<Connection, JournalError> {
    let opened = connect(path).and_then(|conn| {
        conn.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).map_err(unreadable)?;
        Ok(conn)
    });
    let conn = match (opened, immutable_url(path)) {
        (Err(JournalError::Unreadable(error)), Some(url)) if error.contains("unable to open") => {
            connect_with(
                Path::new(url.as_str()),
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
            )?
        }
        (opened, _) => opened.map_err(explain)?,
    };
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")
        .map_err(unreadable)?;
    Ok(conn)
}

/// The URL that opens the file as immutable; `None` if its log contains further commits.
fn immutable_url(path: &Path) -> Option<url::Url> {
    let log = path.with_extension("db-wal");
    if std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
        return None;
    }
    let mut url = url::Url::from_file_path(path).ok()?;
    url.set_query(Some("immutable=1"));
    Some(url)
}

fn connect(path: &Path) -> Result<Connection, JournalError> {
    connect_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

fn connect_with(path: &Path, access: OpenFlags) -> Result<Connection, JournalError> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|error| {
        match error.sqlite_error_code() {
            // SQLite's own message contains the path.
            Some(ErrorCode::CannotOpen) => {
                JournalError::Unreadable("pylon.db cannot be opened".into())
            }
            _ => unreadable(error),
        }
    })?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(unreadable)?;
    conn.set_prepared_statement_cache_capacity(CACHED_STATEMENTS_MAX);
    Ok(conn)
}

pub(super) fn explain(error: JournalError) -> JournalError {
    match error {
        JournalError::Unreadable(text) if text.contains("not a database") => {
            JournalError::Unreadable(
                "pylon.db is not a database: move it away or restore a backup".into(),
            )
        }
        other => other,
    }
}

/// Only the owner can read the journal. SQLite gives its other files the same permissions.
fn make_private(path: &Path) -> io::Result<()> {
    match pylon_files::open(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    restrict(&options.open(path)?)
}

#[cfg(unix)]
fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = file.metadata()?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o600);
        file.set_permissions(permissions)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_: &File) -> io::Result<()> {
    Ok(())
}

fn open_error_message(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "its folder does not exist".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only".into(),
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => error.to_string(),
    }
}

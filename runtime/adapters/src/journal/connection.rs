//! Opening the file: its rights, its settings, and one clear line for each way in which that fails.

use super::{migrations, unreadable, unwritable};
use pylon_core::ports::journal::JournalError;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long to wait for another process that writes, such as an operator's `sqlite3`.
const BUSY: Duration = Duration::from_secs(5);
/// More than all statements of one connection.
const STATEMENTS: usize = 64;
/// A commit forces the log to the disk (`FULL`), so what was acknowledged outlives a loss of power. Temporary data stays in memory:
/// savepoints would otherwise make files. A checkpoint every 16 MiB of log costs less than the default of 4.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                        PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4096;";

pub(super) fn for_writing(path: &Path) -> Result<Connection, JournalError> {
    make_private(path).map_err(|why| {
        JournalError::Unwritable(format!("pylon.db cannot be opened for writing: {}", cause(&why)))
    })?;
    let mut conn = connect(path)?;
    // Before any setting: a file that is not ours, or newer than we are, is left as it is.
    let steps = migrations::check(&conn, migrations::STEPS).map_err(explain)?;
    give_back_pages(&conn, steps).map_err(unwritable)?;
    conn.execute_batch(SETTINGS).map_err(unwritable)?;
    migrations::run(&mut conn, migrations::STEPS)?;
    Ok(conn)
}

/// Lets the file become smaller again. One that was made before it could is written anew, once; where there is no room for that, it stays large.
fn give_back_pages(conn: &Connection, steps: usize) -> rusqlite::Result<()> {
    const INCREMENTAL: i64 = 2;
    let found: i64 = conn.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if found == INCREMENTAL {
        return Ok(());
    }
    conn.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    if steps > 0
        && let Err(why) = conn.execute_batch("VACUUM")
    {
        tracing::warn!(
            why = super::words(&why),
            "pylon.db cannot become smaller for now: tried again with the next start"
        );
    }
    Ok(())
}

/// For a journal that [`for_writing`] has opened before.
pub(super) fn for_reading(path: &Path) -> Result<Connection, JournalError> {
    let conn = connect(path)?;
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")
        .map_err(unreadable)?;
    Ok(conn)
}

/// For somebody who only looks, whoever else is there. SQLite needs to write beside the file even to read it; where nobody may, nobody
/// changes it either, and without a log that was left behind it is all there is.
pub(super) fn for_looking(path: &Path) -> Result<Connection, JournalError> {
    let looked = connect(path).and_then(|conn| {
        conn.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).map_err(unreadable)?;
        Ok(conn)
    });
    let conn = match (looked, unchanging(path)) {
        (Err(JournalError::Unreadable(why)), Some(url)) if why.contains("unable to open") => {
            connect_with(
                Path::new(url.as_str()),
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
            )?
        }
        (looked, _) => looked.map_err(explain)?,
    };
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")
        .map_err(unreadable)?;
    Ok(conn)
}

/// How SQLite is told that nobody changes a file; `None` if its log has more than it has.
fn unchanging(path: &Path) -> Option<url::Url> {
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
    let conn =
        Connection::open_with_flags(path, flags).map_err(|why| match why.sqlite_error_code() {
            // SQLite's own words carry the path.
            Some(ErrorCode::CannotOpen) => {
                JournalError::Unreadable("pylon.db cannot be opened".into())
            }
            _ => unreadable(why),
        })?;
    conn.busy_timeout(BUSY).map_err(unreadable)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

pub(super) fn explain(why: JournalError) -> JournalError {
    match why {
        JournalError::Unreadable(text) if text.contains("not a database") => {
            JournalError::Unreadable(
                "pylon.db is not a database: move it away or restore a backup".into(),
            )
        }
        other => other,
    }
}

/// Only the owner reads the journal; SQLite gives the files beside it the same rights.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    restrict(&options.open(path)?)
}

#[cfg(unix)]
fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut rights = file.metadata()?.permissions();
    if rights.mode() & 0o077 != 0 {
        rights.set_mode(0o600);
        file.set_permissions(rights)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_: &File) -> io::Result<()> {
    Ok(())
}

fn cause(why: &io::Error) -> String {
    match why.kind() {
        io::ErrorKind::NotFound => "its folder does not exist".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the disk is read-only".into(),
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => why.to_string(),
    }
}

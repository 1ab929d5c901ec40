//! Opening: migrations, file permissions, and one error line for each way in which it fails.

use super::*;
use crate::migrations;
use pylon_core::ports::journal::{Journal as _, JournalError};
use pylon_core::rows::Row;
use rusqlite::Connection;
use std::fs;

fn refused(path: &std::path::Path) -> String {
    let line = SqliteJournal::open(path).err().expect("refused").to_string();
    assert!(
        !line.contains('\n') && !line.contains(path.parent().unwrap().to_str().unwrap()),
        "{line}"
    );
    line
}

/// Goal: a reopened journal continues. Method: open it again and write more.
#[tokio::test]
async fn a_reopened_journal_continues() {
    let TestJournal { folder, journal } = TestJournal::new();
    journal
        .commit(vec![Row::Admit(Box::new(done(1))), Row::Send(message(1, 1))].into())
        .await
        .unwrap();
    drop(journal);
    let journal = SqliteJournal::open(&folder.path().join("pylon.db")).unwrap();
    assert_eq!(unfinished(&journal), [done(1)]);
    assert_eq!(unsent(&journal, 9), [message(1, 1)]);
    journal.commit(vec![Row::Sent(message(1, 1).message.id)].into()).await.unwrap();
    assert!(unsent(&journal, 9).is_empty());
}

/// Goal: the journal of a newer program is not changed. Method: a schema with one more step.
#[test]
fn a_newer_schema_is_refused() {
    let TestJournal { folder, journal } = TestJournal::new();
    drop(journal);
    let path = folder.path().join("pylon.db");
    let known = migrations::STEPS.len();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", known + 1).unwrap();
    let before = fs::read(&path).unwrap();
    let expected = format!(
        "the journal cannot be read: pylon.db was written by a newer pylon (schema {}, this one knows {known}): \
         use that version or restore a backup",
        known + 1
    );
    assert_eq!(refused(&path), expected);
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// Goal: a failed step changes nothing, and a corrected one is applied later. Method: a second step
/// that fails in the middle.
#[test]
fn a_failed_step_changes_nothing() {
    let mut conn = Connection::open_in_memory().unwrap();
    let first = "CREATE TABLE a (x); INSERT INTO a VALUES (1);";
    let broken = "CREATE TABLE b (x); DELETE FROM a; CREATE TABLE a (x);";
    let why = migrations::run(&mut conn, &[first, broken]).unwrap_err().to_string();
    assert!(
        why.contains("pylon.db stays at schema 1: step 2 failed: table a already exists"),
        "{why}"
    );
    let count =
        |conn: &Connection, sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(&conn, "SELECT count(*) FROM sqlite_master"), 1);
    assert_eq!(count(&conn, "SELECT count(*) FROM a"), 1);
    assert_eq!(count(&conn, "PRAGMA user_version"), 1);
    migrations::run(&mut conn, &[first, "CREATE TABLE b (x)"]).unwrap();
    assert_eq!(count(&conn, "PRAGMA user_version"), 2);
    migrations::run(&mut conn, &[first, "CREATE TABLE b (x)"]).unwrap();
}

/// Goal: a file that is not a journal is reported and not changed. Method: text, foreign tables, a
/// folder, a missing folder.
#[test]
fn a_file_that_is_not_a_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    let words = "not a database at all, only words ".repeat(200);
    fs::write(&text, &words).unwrap();
    assert!(refused(&text).contains("pylon.db is not a database"));
    assert_eq!(fs::read_to_string(&text).unwrap(), words);

    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE jobs (x)").unwrap();
    assert!(refused(&foreign).contains("pylon.db stays at schema 0"));
    assert!(refused(folder.path()).contains("it is a folder"));
    assert!(
        refused(&folder.path().join("missing").join("pylon.db"))
            .contains("its folder does not exist")
    );
}

/// Goal: a folder without write permission gives a clear error. Method: a file system where no file
/// can be created.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_without_write_permission_is_refused() {
    let error = SqliteJournal::open(std::path::Path::new("/proc/self/pylon.db")).err();
    assert!(
        matches!(error, Some(JournalError::Unwritable(cause)) if cause.starts_with("pylon.db cannot be opened for writing"))
    );
}

/// Goal: only the owner can read the journal, and its file can shrink. Method: the permissions of
/// all its files, when new and when they were too open; the vacuum mode.
#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pylon.db");
    for _ in 0..2 {
        let journal = SqliteJournal::open(&path).unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(
                file.metadata().unwrap().permissions().mode() & 0o777,
                0o600,
                "{:?}",
                file.file_name()
            );
        }
        let mode: i64 = Connection::open(&path)
            .unwrap()
            .pragma_query_value(None, "auto_vacuum", |row| row.get(0))
            .unwrap();
        assert_eq!(mode, 2);
        drop(journal);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

//! The schema and its history. A step is one `.sql` file, never edited once released; `PRAGMA user_version` counts the steps taken.

use pylon_core::ports::journal::JournalError;
use rusqlite::{Connection, TransactionBehavior};

/// In order; a step's number is its place, counted from 1.
pub(super) const STEPS: &[&str] = &[
    include_str!("0001_first.sql"),
    include_str!("0002_confidential.sql"),
    include_str!("0003_retention.sql"),
    include_str!("0004_guests.sql"),
    include_str!("0005_standbys.sql"),
    include_str!("0006_replay.sql"),
];

/// Refuses a schema made by a program that knew more steps.
pub(super) fn check(conn: &Connection, steps: &[&str]) -> Result<usize, JournalError> {
    let found = taken(conn).map_err(super::unreadable)?;
    if found > steps.len() {
        return Err(JournalError::Unreadable(format!(
            "pylon.db was written by a newer pylon (schema {found}, this one knows {}): use that version or restore a backup",
            steps.len()
        )));
    }
    Ok(found)
}

/// Takes the steps that are missing, each in a transaction of its own: one that fails leaves the schema before it.
pub(super) fn run(conn: &mut Connection, steps: &[&str]) -> Result<(), JournalError> {
    for number in check(conn, steps)?..steps.len() {
        let Some(step) = steps.get(number) else { break };
        take(conn, number, step).map_err(|why| {
            JournalError::Unreadable(format!(
                "pylon.db stays at schema {number}: step {} failed: {}",
                number + 1,
                super::words(&why)
            ))
        })?;
    }
    Ok(())
}

fn take(conn: &mut Connection, number: usize, step: &str) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster while this one waited for the lock.
    if taken(&transaction)? == number {
        transaction.execute_batch(step)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {}", number + 1))?;
    }
    transaction.commit()
}

fn taken(conn: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // A negative number is nobody's: larger than all we know.
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

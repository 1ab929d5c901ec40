//! The schema and its migrations. A step is one `.sql` file, which must not be edited once it is
//! released. `PRAGMA user_version` counts the steps that were applied.

use crate::error::{message, unreadable};
use pylon_core::ports::journal::JournalError;
use rusqlite::{Connection, TransactionBehavior};

/// All steps in order, the first with number 1.
pub(super) const STEPS: &[&str] = &[
    include_str!("0001_schema.sql"),
    include_str!("0002_relay_refusals.sql"),
    include_str!("0003_dropped_requests.sql"),
    include_str!("0004_jobs_paid.sql"),
];

/// Returns the number of applied steps. A schema of a newer program is an error.
pub(super) fn check(conn: &Connection, steps: &[&str]) -> Result<usize, JournalError> {
    let found = applied(conn).map_err(unreadable)?;
    if found > steps.len() {
        return Err(JournalError::Unreadable(format!(
            "pylon.db was written by a newer pylon (schema {found}, this one knows {}): \
             use that version or restore a backup",
            steps.len()
        )));
    }
    Ok(found)
}

/// Applies the missing steps, each in its own transaction: a failed step changes nothing.
pub(super) fn run(conn: &mut Connection, steps: &[&str]) -> Result<(), JournalError> {
    for number in check(conn, steps)?..steps.len() {
        let Some(step) = steps.get(number) else { break };
        apply(conn, number, step).map_err(|error| {
            JournalError::Unreadable(format!(
                "pylon.db stays at schema {number}: step {} failed: {}",
                number + 1,
                message(&error)
            ))
        })?;
    }
    Ok(())
}

fn apply(conn: &mut Connection, number: usize, step: &str) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have applied it while this one waited for the lock.
    if applied(&transaction)? == number {
        transaction.execute_batch(step)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {}", number + 1))?;
    }
    transaction.commit()
}

fn applied(conn: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // A negative number is invalid and counts as a newer schema.
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

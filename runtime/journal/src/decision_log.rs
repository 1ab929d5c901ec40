//! The sequence of decisions. Ids are assigned in order and never reused. The range of ids that
//! have a MAC has a MAC itself, and so has each range that was purged; any other gap is a deleted
//! decision.

use crate::columns::{integer, number};
use crate::mac::{Key, of_range};
use crate::text_cipher::TextCipher;
use rusqlite::{Connection, OptionalExtension as _, params};

const HEAD: &[u8] = b"head";
const PURGED: &[u8] = b"purged";

pub(super) const PURGED_UP_TO: &str = "SELECT first, last, mac FROM purged_decisions \
                                       WHERE first <= ?1 ORDER BY first DESC LIMIT 1";

/// The range of decisions that have a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// The first decision that got a MAC under this key.
    pub first: u64,
    /// The last one.
    pub last: u64,
}

/// Reads the head; `None` if there is none under this key.
pub(super) fn head(conn: &Connection, key: &Key) -> rusqlite::Result<Option<LogHead>> {
    let row = conn
        .prepare_cached("SELECT first, last, mac FROM decision_log_head WHERE id = 1")?
        .query_row([], range)
        .optional()?;
    let valid = row
        .filter(|(first, last, mac)| mac.as_deref() == Some(&of_range(key, HEAD, *first, *last)));
    Ok(valid.map(|(first, last, _)| LogHead { first: number(first), last: number(last) }))
}

/// Assigns ids to decisions. Kept in memory between two commits.
#[derive(Clone, Copy)]
pub(super) struct LogSequence {
    first: Option<i64>,
    last: i64,
    is_written: bool,
}

impl LogSequence {
    pub(super) fn load(conn: &Connection, key: &Key) -> rusqlite::Result<Self> {
        let newest: Option<i64> = conn
            .prepare_cached("SELECT max(id) FROM decisions")?
            .query_row([], |row| row.get(0))?;
        let head = head(conn, key)?;
        // The id of a deleted decision is not assigned again.
        let last = newest.unwrap_or(0).max(head.map_or(0, |head| integer(head.last)));
        Ok(Self { first: head.map(|head| integer(head.first)), last, is_written: true })
    }

    pub(super) fn next(&mut self) -> i64 {
        self.last = self.last.saturating_add(1);
        self.first.get_or_insert(self.last);
        self.is_written = false;
        self.last
    }

    /// Writes the head if it has changed.
    pub(super) fn write(&mut self, conn: &Connection, key: &Key) -> rusqlite::Result<()> {
        let Some(first) = self.first.filter(|_| !self.is_written) else { return Ok(()) };
        conn.prepare_cached(
            "INSERT OR REPLACE INTO decision_log_head (id, first, last, mac) \
             VALUES (1, ?1, ?2, ?3)",
        )?
        .execute(params![first, self.last, of_range(key, HEAD, first, self.last)])?;
        self.is_written = true;
        Ok(())
    }
}

/// Records that these decisions, given in order, were purged.
pub(super) fn record_purged(
    conn: &Connection,
    cipher: &TextCipher,
    ids: &[i64],
) -> rusqlite::Result<()> {
    for run in ids.chunk_by(|one, next| one + 1 == *next) {
        let (Some(&first), Some(&last)) = (run.first(), run.last()) else { continue };
        let before = conn.prepare_cached(PURGED_UP_TO)?.query_row([first], range).optional()?;
        let after = conn.prepare_cached(PURGED_UP_TO)?.query_row([last + 1], range).optional()?;
        let first =
            before.filter(|(_, end, _)| end + 1 == first).map_or(first, |(begin, ..)| begin);
        let last = match after.filter(|(begin, ..)| *begin == last + 1) {
            Some((begin, end, _)) => {
                conn.prepare_cached("DELETE FROM purged_decisions WHERE first = ?1")?
                    .execute([begin])?;
                end
            }
            None => last,
        };
        let mac = cipher.mac_key().map(|key| of_range(key, PURGED, first, last));
        conn.prepare_cached(
            "INSERT OR REPLACE INTO purged_decisions (first, last, mac) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![first, last, mac])?;
    }
    Ok(())
}

/// Were all decisions of this range purged?
pub(super) fn is_purged(
    conn: &Connection,
    key: &Key,
    first: i64,
    last: i64,
) -> rusqlite::Result<bool> {
    let found = conn.prepare_cached(PURGED_UP_TO)?.query_row([first], range).optional()?;
    let covers = |(begin, end, mac): (i64, i64, Option<Vec<u8>>)| {
        end >= last && mac.as_deref() == Some(&of_range(key, PURGED, begin, end))
    };
    Ok(found.is_some_and(covers))
}

fn range(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, i64, Option<Vec<u8>>)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

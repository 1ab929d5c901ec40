//! Queries for whole decisions, for replay and verification of the log. Decisions are read in pages
//! of a bounded size. No transaction is held between two pages, so a running node is not blocked.

use crate::columns::{from_optional_json, integer, number};
use crate::decision_log::{self, LogHead};
use crate::decisions::{COLUMNS, RecordedDecision, decision_of_row};
use crate::error::unreadable;
use crate::read_only::ReadOnlyJournal;
use crate::text_cipher::TextCipher;
use pylon_core::guest::GuestFunction;
use pylon_core::ports::journal::JournalError;
use pylon_core::{Job, JobId, UnixTime};
use rusqlite::{OptionalExtension as _, params};

/// Rows of one page.
const PAGE_ROWS_MAX: usize = 512;
/// Bytes of the texts of one page, not counting its last row.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Which decisions to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page {
    /// Only those with a larger id.
    pub after: u64,
    /// Only those of this function.
    pub function: Option<GuestFunction>,
    /// Only those since this time.
    pub since: UnixTime,
}

impl ReadOnlyJournal {
    /// The next decisions, in order. An empty page is the end.
    pub fn recorded(&self, page: Page) -> Result<Vec<RecordedDecision>, JournalError> {
        let read = || {
            let mut select = self.conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM decisions \
                 WHERE id > ?1 AND (?2 IS NULL OR function = ?2) AND decided_at >= ?3 \
                 ORDER BY id LIMIT ?4"
            ))?;
            let fields = params![
                integer(page.after),
                page.function.map(GuestFunction::as_str),
                integer(page.since.get()),
                PAGE_ROWS_MAX
            ];
            let (mut rows, mut found, mut bytes) = (select.query(fields)?, Vec::new(), 0);
            while bytes < PAGE_BYTES_MAX
                && let Some(row) = rows.next()?
            {
                let one = decision_of_row(row)?;
                bytes += one.input.len() + one.output.as_ref().map_or(0, String::len);
                found.push(one);
            }
            Ok(found)
        };
        read().map_err(unreadable)
    }

    /// The id before the first decision that is not older than this, if the clock never went back.
    pub fn last_id_before(&self, since: UnixTime) -> Result<u64, JournalError> {
        let read = || {
            let mut probe = self.conn.prepare_cached(
                "SELECT id, decided_at FROM decisions WHERE id >= ?1 ORDER BY id LIMIT 1",
            )?;
            let newest: Option<i64> =
                self.conn.query_row("SELECT max(id) FROM decisions", [], |row| row.get(0))?;
            // Decisions up to `low` are older; none after `high` is.
            let (mut low, mut high) = (0, newest.unwrap_or(0));
            while low < high {
                let middle = low + (high - low) / 2 + 1;
                let found: Option<(i64, i64)> =
                    probe.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
                match found {
                    Some((id, at)) if number(at) < since.get() => low = id.min(high),
                    _ => high = middle - 1,
                }
            }
            Ok(number(low))
        };
        read().map_err(unreadable)
    }

    /// All decisions about a job or a refused request, in order.
    pub fn recorded_of(&self, job: JobId) -> Result<Vec<RecordedDecision>, JournalError> {
        let query = format!("SELECT {COLUMNS} FROM decisions WHERE job_id = ?1 ORDER BY id");
        let read = || {
            self.conn
                .prepare_cached(&query)?
                .query_map([job.to_hex()], decision_of_row)?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(unreadable)
    }

    /// The last decision of one function about a job, up to this attempt.
    pub fn recorded_last(
        &self,
        job: JobId,
        function: GuestFunction,
        attempt: u32,
    ) -> Result<Option<RecordedDecision>, JournalError> {
        let query = format!(
            "SELECT {COLUMNS} FROM decisions \
             WHERE job_id = ?1 AND function = ?2 AND attempt <= ?3 ORDER BY id DESC LIMIT 1"
        );
        let read = || {
            self.conn
                .prepare_cached(&query)?
                .query_row(params![job.to_hex(), function.as_str(), attempt], decision_of_row)
                .optional()
        };
        read().map_err(unreadable)
    }

    /// The retained view of a request that guests refused.
    pub fn refused_request(&self, id: JobId) -> Result<Option<Job>, JournalError> {
        let read = || {
            let mut select =
                self.conn.prepare_cached("SELECT request FROM refusals WHERE id = ?1")?;
            Ok(select
                .query_row([id.to_hex()], |row| from_optional_json(row, 0))
                .optional()?
                .flatten())
        };
        read().map_err(unreadable)
    }

    /// At most two refused requests whose ids begin with `prefix`: with two it is ambiguous.
    pub fn refusals_by_prefix(&self, prefix: &str) -> Result<Vec<JobId>, JournalError> {
        let query = "SELECT id FROM refusals WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2";
        let ids = self.text_column(query, prefix)?;
        Ok(ids.iter().filter_map(|id| JobId::from_hex(id)).collect())
    }

    /// The approximate number of decisions.
    pub fn decision_count(&self) -> Result<u64, JournalError> {
        let query = "SELECT coalesce(max(id) - min(id) + 1, 0) FROM decisions";
        self.conn.query_row(query, [], |row| row.get(0)).map(number).map_err(unreadable)
    }

    /// The range of decisions with a MAC under this key; `None` if there are none.
    pub fn log_head(&self, cipher: &TextCipher) -> Result<Option<LogHead>, JournalError> {
        let Some(key) = cipher.mac_key() else { return Ok(None) };
        decision_log::head(&self.conn, key).map_err(unreadable)
    }

    /// Were all decisions of this range purged together with their refused requests?
    pub fn is_purged(
        &self,
        cipher: &TextCipher,
        first: u64,
        last: u64,
    ) -> Result<bool, JournalError> {
        let Some(key) = cipher.mac_key() else { return Ok(false) };
        decision_log::is_purged(&self.conn, key, integer(first), integer(last)).map_err(unreadable)
    }
}

//! How long texts are kept, and their deletion. Numbers, times and money are kept permanently;
//! `text_purged_at` records when a row's text was deleted.

use crate::columns::{integer, number};
use crate::error::{CommitError, message};
use crate::jobs;
use crate::queries;
use crate::redaction::redact_decisions;
use crate::text_cipher::TextCipher;
use pylon_core::machine::JobState;
use pylon_core::{JobId, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Jobs per purge, so that no commit waits long for it.
const PURGE_JOBS_MAX: usize = 32;
/// Bytes of texts per purge, unless a single job has more.
const PURGE_BYTES_MAX: u64 = 4 << 20;
/// If the limit is exceeded, this fraction of it is freed, so that not every job needs a purge.
const FREED_FRACTION: u64 = 8;
/// Free pages that stay in the file for later use: 1 MiB.
const SPARE_PAGES: u64 = 256;
/// Pages that one vacuum returns to the file system.
const VACUUM_PAGES_MAX: u64 = 512;

pub(super) const OLDEST: &str =
    "SELECT ended_at, job_id, bytes FROM retained_texts ORDER BY ended_at, job_id LIMIT ?1";

/// How long the texts of finished jobs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Seconds after the end of the work.
    pub seconds: u64,
    /// Bytes of all texts together; the oldest are deleted first.
    pub bytes: u64,
}

/// The current setting, shared with the writer. It can change at any time.
#[derive(Clone, Debug)]
pub(super) struct SharedRetention(Arc<[AtomicU64; 2]>);

impl SharedRetention {
    /// Nothing is deleted: opening a journal to read it must not change it.
    pub(super) fn unlimited() -> Self {
        Self(Arc::new([AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)]))
    }

    pub(super) fn set(&self, Retention { seconds, bytes }: Retention) {
        let [current_seconds, current_bytes] = &*self.0;
        current_seconds.store(seconds, Ordering::Relaxed);
        current_bytes.store(bytes, Ordering::Relaxed);
    }

    fn get(&self) -> Retention {
        let [seconds, bytes] = &*self.0;
        Retention { seconds: seconds.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
    }
}

/// After a job's row was written: registers its texts if they are kept for a limited time from now
/// on, and unregisters them if the job needs them again.
pub(super) fn update_registration(
    conn: &Connection,
    before: Option<&jobs::Stored>,
    state: &JobState,
) -> Result<(), CommitError> {
    let id = state.job.id.to_hex();
    let ended_at = integer(jobs::ended_at(state).get());
    if state.is_closed() && !state.needs_text() {
        // `octet_length` does not read the text. Only decisions of `run` are large.
        conn.prepare_cached(
            "INSERT INTO retained_texts (ended_at, job_id, bytes) \
             SELECT ?2, id, octet_length(request) + coalesce(octet_length(output), 0) \
                    + (SELECT coalesce(sum(octet_length(input) \
                                           + coalesce(octet_length(output), 0)), 0) \
                       FROM decisions WHERE job_id = ?1 AND function = 'run') \
             FROM jobs WHERE id = ?1 AND text_purged_at IS NULL ON CONFLICT DO NOTHING",
        )?
        .execute(params![id, ended_at])?;
    } else if before.is_some_and(|stored| stored.closed) {
        conn.prepare_cached("DELETE FROM retained_texts WHERE ended_at = ?2 AND job_id = ?1")?
            .execute(params![id, ended_at])?;
    }
    Ok(())
}

/// Deletes one batch of texts that are due. Returns whether there may be more.
pub(super) fn purge(
    conn: &Connection,
    cipher: &TextCipher,
    setting: &SharedRetention,
    now: UnixTime,
) -> rusqlite::Result<bool> {
    let due = due(conn, setting.get(), now)?;
    if due.is_empty() {
        return Ok(false);
    }
    conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let done =
        due.iter().try_for_each(|(ended_at, job)| purge_job(conn, cipher, *ended_at, job, now));
    let done = done.and_then(|()| conn.prepare_cached("COMMIT")?.execute([]).map(drop));
    if !conn.is_autocommit() {
        conn.prepare_cached("ROLLBACK")?.execute([])?;
    }
    done.map(|()| true)
}

/// The jobs whose texts are deleted now, the oldest first.
fn due(
    conn: &Connection,
    Retention { seconds, bytes: limit }: Retention,
    now: UnixTime,
) -> rusqlite::Result<Vec<(i64, String)>> {
    let total: i64 = conn
        .prepare_cached("SELECT bytes FROM retained_texts_total")?
        .query_row([], |row| row.get(0))?;
    let mut total = number(total);
    let goal = if total > limit { limit - limit / FREED_FRACTION } else { u64::MAX };
    let (mut due, mut taken) = (Vec::new(), 0_u64);
    let mut oldest = conn.prepare_cached(OLDEST)?;
    let mut rows = oldest.query([PURGE_JOBS_MAX])?;
    while let Some(row) = rows.next()? {
        let (ended_at, bytes): (i64, u64) = (row.get(0)?, number(row.get(2)?));
        let is_old = now.since(UnixTime::new(number(ended_at))) >= seconds;
        if !(is_old || total > goal) || (taken > 0 && taken.saturating_add(bytes) > PURGE_BYTES_MAX)
        {
            break;
        }
        (total, taken) = (total.saturating_sub(bytes), taken.saturating_add(bytes));
        due.push((ended_at, row.get(1)?));
    }
    Ok(due)
}

fn purge_job(
    conn: &Connection,
    cipher: &TextCipher,
    ended_at: i64,
    job: &str,
    now: UnixTime,
) -> rusqlite::Result<()> {
    if let Some(id) = JobId::from_hex(job)
        && let Some(state) = queries::job(conn, cipher, id)?
    {
        jobs::purge_text(conn, &state.retained_view(now))?;
        redact_decisions(conn, cipher, &state, now)?;
    }
    conn.prepare_cached("DELETE FROM relay_refusals WHERE job_id = ?1")?.execute([job])?;
    conn.prepare_cached("DELETE FROM retained_texts WHERE ended_at = ?1 AND job_id = ?2")?
        .execute(params![ended_at, job])?;
    Ok(())
}

/// Returns some unused pages to the file system. Returns whether there are more.
pub(super) fn shrink(conn: &Connection) -> rusqlite::Result<bool> {
    let free: i64 =
        conn.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
    let surplus = number(free).saturating_sub(SPARE_PAGES);
    if surplus == 0 {
        return Ok(false);
    }
    // Each step of this statement returns one page.
    let mut vacuum =
        conn.prepare(&format!("PRAGMA incremental_vacuum({})", surplus.min(VACUUM_PAGES_MAX)))?;
    let mut steps = vacuum.query([])?;
    while steps.next()?.is_some() {}
    drop(steps);
    let left: Option<i64> =
        conn.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0)).optional()?;
    Ok(surplus > VACUUM_PAGES_MAX && left.is_some_and(|left| left < free))
}

pub(super) fn log_failure(error: &rusqlite::Error) {
    tracing::warn!(
        error = message(error),
        "purge of old texts failed, retrying after the next commit"
    );
}

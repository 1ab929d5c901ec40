//! How long texts are kept, and how they go. Numbers, times and money stay for good; a row whose text is gone says since when.

use super::rows::Halt;
use super::{Recorded, Safe, Seal, decisions, integer, jobs, number, words};
use pylon_core::decision::{Situation, Verdict};
use pylon_core::machine::JobState;
use pylon_core::ports::guests::JobError;
use pylon_core::work::{Evidence, Output};
use pylon_core::{JobId, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Jobs of one purge, so that no commit waits long for it.
const PURGE_JOBS: usize = 32;
/// And bytes of their texts, but for one job.
const PURGE_BYTES: u64 = 4 << 20;
/// Over the limit, this part of it is made room: then not every job costs a purge.
const ROOM_PART: u64 = 8;
/// Free pages that stay in the file for what comes next: 1 MiB.
const SPARE_PAGES: u64 = 256;
/// Pages given back to the disk at once.
const VACUUM_PAGES: u64 = 512;

pub(super) const OLDEST: &str =
    "SELECT ended_at, job_id, bytes FROM texts_kept ORDER BY ended_at, job_id LIMIT ?1";
/// Decisions of a job that have texts, and with `?2` all of them.
pub(super) const TEXTS_OF: &str =
    "job_id = ?1 AND (?2 OR function IN ('run', 'judge')) AND text_gone_at IS NULL";
pub(super) const SAID_OF: &str =
    "SELECT slot, digest, output FROM shadows WHERE decision_id = ?1 AND output IS NOT NULL";

/// How long the texts of finished jobs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Not longer than this after the end of the work.
    pub seconds: u64,
    /// Not more than this in all; the oldest go first.
    pub bytes: u64,
}

/// What holds now. It can change while the journal is at work.
#[derive(Clone, Debug)]
pub(super) struct Held(Arc<[AtomicU64; 2]>);

impl Held {
    /// For good: who opens a journal to look at it throws nothing away.
    pub(super) fn for_good() -> Self {
        Self(Arc::new([AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)]))
    }

    pub(super) fn set(&self, Retention { seconds, bytes }: Retention) {
        let [held_seconds, held_bytes] = &*self.0;
        held_seconds.store(seconds, Ordering::Relaxed);
        held_bytes.store(bytes, Ordering::Relaxed);
    }

    fn get(&self) -> Retention {
        let [seconds, bytes] = &*self.0;
        Retention { seconds: seconds.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
    }
}

/// After a job's row was written: is there text that is kept for a while, or is it needed again?
pub(super) fn follow(
    conn: &Connection,
    before: Option<&jobs::Stored>,
    state: &JobState,
) -> Result<(), Halt> {
    let id = state.job.id.to_hex();
    let ended_at = integer(ended_at(state).get());
    if state.is_closed() && !state.needs_text() {
        // `octet_length` reads no text; runs are the only decisions of any size.
        conn.prepare_cached(
            "INSERT INTO texts_kept (ended_at, job_id, bytes) \
             SELECT ?2, id, octet_length(request) + coalesce(octet_length(output), 0) \
                    + (SELECT coalesce(sum(octet_length(input) + coalesce(octet_length(output), 0)), 0) FROM decisions WHERE job_id = ?1 AND function = 'run') \
             FROM jobs WHERE id = ?1 AND text_gone_at IS NULL ON CONFLICT DO NOTHING",
        )?
        .execute(params![id, ended_at])?;
    } else if before.is_some_and(|stored| stored.closed) {
        conn.prepare_cached("DELETE FROM texts_kept WHERE ended_at = ?2 AND job_id = ?1")?
            .execute(params![id, ended_at])?;
    }
    Ok(())
}

/// When the work of a job that is over was.
pub(super) fn ended_at(state: &JobState) -> UnixTime {
    state.ended_at.unwrap_or(state.received_at)
}

/// One batch of what has been kept long enough. Is there more of it?
pub(super) fn purge(
    conn: &Connection,
    safe: &Safe,
    held: &Held,
    now: UnixTime,
) -> rusqlite::Result<bool> {
    let due = due(conn, held.get(), now)?;
    if due.is_empty() {
        return Ok(false);
    }
    conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let done = due.iter().try_for_each(|(ended_at, job)| forget(conn, safe, *ended_at, job, now));
    let done = done.and_then(|()| conn.prepare_cached("COMMIT")?.execute([]).map(drop));
    if !conn.is_autocommit() {
        conn.prepare_cached("ROLLBACK")?.execute([])?;
    }
    done.map(|()| true)
}

/// The jobs whose texts go now, the oldest first.
fn due(
    conn: &Connection,
    Retention { seconds, bytes: limit }: Retention,
    now: UnixTime,
) -> rusqlite::Result<Vec<(i64, String)>> {
    let total: i64 = conn
        .prepare_cached("SELECT bytes FROM texts_kept_total")?
        .query_row([], |row| row.get(0))?;
    let mut total = number(total);
    let goal = if total > limit { limit - limit / ROOM_PART } else { u64::MAX };
    let (mut due, mut taken) = (Vec::new(), 0_u64);
    let mut oldest = conn.prepare_cached(OLDEST)?;
    let mut rows = oldest.query([PURGE_JOBS])?;
    while let Some(row) = rows.next()? {
        let (ended_at, bytes): (i64, u64) = (row.get(0)?, number(row.get(2)?));
        let is_old = now.since(UnixTime::new(number(ended_at))) >= seconds;
        if !(is_old || total > goal) || (taken > 0 && taken.saturating_add(bytes) > PURGE_BYTES) {
            break;
        }
        (total, taken) = (total.saturating_sub(bytes), taken.saturating_add(bytes));
        due.push((ended_at, row.get(1)?));
    }
    Ok(due)
}

fn forget(
    conn: &Connection,
    safe: &Safe,
    ended_at: i64,
    job: &str,
    now: UnixTime,
) -> rusqlite::Result<()> {
    if let Some(id) = JobId::from_hex(job)
        && let Some(state) = super::reads::job(conn, safe, id)?
    {
        jobs::drop_text(conn, &state.outline(now))?;
        drop_texts_of_decisions(conn, safe, &state, now)?;
    }
    conn.prepare_cached("DELETE FROM texts_kept WHERE ended_at = ?1 AND job_id = ?2")?
        .execute(params![ended_at, job])?;
    Ok(())
}

/// What a handler heard and made and what was said of it stay by digest. `state` still has its texts.
pub(super) fn drop_texts_of_decisions(
    conn: &Connection,
    safe: &Safe,
    state: &JobState,
    now: UnixTime,
) -> rusqlite::Result<()> {
    // Policies cannot be asked again about what is not in an outline.
    let all = !state.job.fits_outline(&state.plan.public);
    let mut asked = conn.prepare_cached(&format!(
        "SELECT {} FROM decisions WHERE {TEXTS_OF}",
        decisions::COLUMNS
    ))?;
    let mut rows = asked.query(params![state.job.id.to_hex(), all])?;
    while let Some(row) = rows.next()? {
        let row = decisions::recorded(row)?;
        let held = row.seal(safe) == Seal::Holds;
        let row = Recorded { text_gone_at: Some(now), ..without_text(row, safe, state.job.id) };
        // What was changed before stays found.
        let seal = safe
            .seals()
            .filter(|_| held)
            .map(|key| row.sealable().seal(key).to_vec())
            .or_else(|| row.seal.clone());
        conn.prepare_cached("UPDATE decisions SET input = ?2, output = ?3, text_gone_at = ?4, seal = ?5 WHERE id = ?1")?
            .execute(params![integer(row.id), row.input, row.output.as_ref().ok(), integer(now.get()), seal])?;
        if row.function == "judge" {
            drop_texts_of_shadows(conn, integer(row.id), |text| safe.digest(state.job.id, text))?;
        }
    }
    Ok(())
}

/// What shadows said of an output may quote it. The same digest in both rows is the same text still.
fn drop_texts_of_shadows(
    conn: &Connection,
    decision: i64,
    digest: impl Fn(&str) -> String,
) -> rusqlite::Result<()> {
    let mut asked = conn.prepare_cached(SAID_OF)?;
    let mut rows = asked.query([decision])?;
    while let Some(row) = rows.next()? {
        let (slot, shadow, output): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let output = by_digest(&output, |verdict: Verdict| verdict.map_text(&digest));
        conn.prepare_cached(
            "UPDATE shadows SET output = ?4 WHERE slot = ?1 AND digest = ?2 AND decision_id = ?3",
        )?
        .execute(params![slot, shadow, decision, output])?;
    }
    Ok(())
}

fn without_text(row: Recorded, safe: &Safe, job: JobId) -> Recorded {
    let digest = |text: &str| safe.digest(job, text);
    match row.function.as_str() {
        "run" => {
            let made = |made: Result<Output, JobError>| {
                made.map(|output| output.map_text(digest)).map_err(|error| error.map_text(digest))
            };
            // What was heard quotes request and output.
            Recorded {
                input: "null".into(),
                output: row.output.map(|output| by_digest(&output, made)),
                ..row
            }
        }
        "judge" => {
            let shown =
                |(shown, situation): (Evidence, Situation)| (shown.map_text(digest), situation);
            let said = |verdict: Verdict| verdict.map_text(digest);
            Recorded {
                input: by_digest(&row.input, shown),
                output: row.output.map(|output| by_digest(&output, said)),
                ..row
            }
        }
        _ => row,
    }
}

/// What is not as the core writes it is all text, and goes as a whole.
fn by_digest<T: serde::de::DeserializeOwned, U: Serialize>(
    json: &str,
    change: impl FnOnce(T) -> U,
) -> String {
    let changed = serde_json::from_str(json)
        .ok()
        .and_then(|value| serde_json::to_string(&change(value)).ok());
    changed.unwrap_or_else(|| "null".into())
}

/// Gives pages that nothing is in back to the disk, some at a time. Are there more of them?
pub(super) fn shrink(conn: &Connection) -> rusqlite::Result<bool> {
    let free: i64 =
        conn.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
    let surplus = number(free).saturating_sub(SPARE_PAGES);
    if surplus == 0 {
        return Ok(false);
    }
    // Each step gives back one page.
    let mut pages =
        conn.prepare(&format!("PRAGMA incremental_vacuum({})", surplus.min(VACUUM_PAGES)))?;
    let mut given = pages.query([])?;
    while given.next()?.is_some() {}
    drop(given);
    let left: Option<i64> =
        conn.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0)).optional()?;
    Ok(surplus > VACUUM_PAGES && left.is_some_and(|left| left < free))
}

/// For the log.
pub(super) fn complain(why: &rusqlite::Error) {
    tracing::warn!(why = words(why), "old texts stay for now: tried again with the next commit");
}

//! Questions to the journal. Each is bounded by an index or a limit: `tests/plans.rs` holds them to it.

use super::{Safe, integer, jobs, number, tallies};
use pylon_core::machine::JobState;
use pylon_core::ports::journal::{Earnings, OutboxRow, Source};
use pylon_core::ports::market::Sealed;
use pylon_core::{JobId, MessageId, Msat, PaymentHash, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, Row};

pub(super) const KNOWS: &str = "SELECT 1 FROM jobs WHERE id = ?1 UNION ALL SELECT 1 FROM refusals WHERE id = ?1";
/// The index `jobs_open` holds these rows and no others, oldest first.
pub(super) const UNFINISHED: &str = "closed = 0 ORDER BY received_at, rowid";
pub(super) const OF_ID: &str = "id = ?1";
pub(super) const OF_PAYMENT: &str = "payment_hash = ?1";
/// Numbers begin at 1; saying so makes it a search by key.
pub(super) const UNSENT: &str = "SELECT job_id, is_result, id, bytes, expires_at FROM outbox WHERE seq > 0 ORDER BY seq LIMIT ?1";
pub(super) const RECENT: &str = "SELECT amount_msats, source, earned_at FROM earnings WHERE earned_at >= 0 \
                                 AND source IN ('job', 'tip') ORDER BY earned_at DESC, id DESC LIMIT ?1";

/// The whole question after jobs with this condition.
pub(super) fn jobs_where(condition: &str) -> String {
    format!("SELECT {} FROM jobs WHERE {condition}", jobs::COLUMNS)
}

pub(super) fn knows(conn: &Connection, id: JobId) -> rusqlite::Result<bool> {
    conn.prepare_cached(KNOWS)?.exists([id.to_hex()])
}

pub(super) fn job(conn: &Connection, safe: &Safe, id: JobId) -> rusqlite::Result<Option<JobState>> {
    conn.prepare_cached(&jobs_where(OF_ID))?.query_row([id.to_hex()], |row| jobs::read(row, safe)).optional()
}

pub(super) fn job_of_payment(conn: &Connection, safe: &Safe, hash: PaymentHash) -> rusqlite::Result<Option<JobState>> {
    conn.prepare_cached(&jobs_where(OF_PAYMENT))?.query_row([hash.to_hex()], |row| jobs::read(row, safe)).optional()
}

pub(super) fn unfinished(conn: &Connection, safe: &Safe) -> rusqlite::Result<Vec<JobState>> {
    conn.prepare_cached(&jobs_where(UNFINISHED))?.query_map([], |row| jobs::read(row, safe))?.collect()
}

pub(super) fn unsent(conn: &Connection, limit: usize) -> rusqlite::Result<Vec<OutboxRow>> {
    conn.prepare_cached(UNSENT)?.query_map([integer(limit as u64)], outbox_row)?.collect()
}

pub(super) fn earnings(conn: &Connection, limit: usize) -> rusqlite::Result<Earnings> {
    let (jobs_completed, by_source) = tallies::books(conn)?;
    let total = by_source.iter().fold(Msat::ZERO, |sum, (_, paid)| sum.saturating_add(*paid));
    let recent = conn.prepare_cached(RECENT)?.query_map([integer(limit as u64)], recent_row)?.collect::<rusqlite::Result<_>>()?;
    Ok(Earnings { total, jobs_completed, by_source, recent })
}

fn outbox_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    let name = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    Ok(OutboxRow {
        job: JobId::from_hex(name(0)?).ok_or_else(|| jobs::unknown(0, "not a job's id"))?,
        result: row.get(1)?,
        sealed: Sealed {
            id: MessageId::from_hex(name(2)?).ok_or_else(|| jobs::unknown(2, "not a message's id"))?,
            bytes: row.get(3)?,
        },
        expires_at: UnixTime::new(number(row.get(4)?)),
    })
}

fn recent_row(row: &Row<'_>) -> rusqlite::Result<(Msat, Source, UnixTime)> {
    let source = if row.get_ref(1)?.as_str()? == "tip" { Source::Tip } else { Source::Job };
    Ok((Msat::new(number(row.get(0)?)), source, UnixTime::new(number(row.get(2)?))))
}

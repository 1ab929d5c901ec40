//! Questions to the journal. Each is bounded by an index or a limit: `tests/plans.rs` holds them to it.

use super::{integer, jobs, number, tallies};
use pylon_core::machine::{Execution, JobState};
use pylon_core::ports::journal::{Earning, Earnings, OutboxRow, Source};
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
pub(super) const RECENT: &str = "SELECT amount_msats, source, earned_at, job_id, payment_hash FROM earnings WHERE earned_at >= 0 \
                                 AND source IN ('job', 'tip') ORDER BY earned_at DESC, id DESC LIMIT ?1";

/// The whole question after jobs with this condition.
pub(super) fn jobs_where(condition: &str) -> String {
    format!("SELECT {} FROM jobs WHERE {condition}", jobs::COLUMNS)
}

pub(super) fn knows(conn: &Connection, id: JobId) -> rusqlite::Result<bool> {
    conn.prepare_cached(KNOWS)?.exists([id.to_hex()])
}

pub(super) fn job(conn: &Connection, id: JobId) -> rusqlite::Result<Option<JobState>> {
    conn.prepare_cached(&jobs_where(OF_ID))?.query_row([id.to_hex()], jobs::read).optional()
}

pub(super) fn job_of_payment(conn: &Connection, hash: PaymentHash) -> rusqlite::Result<Option<JobState>> {
    conn.prepare_cached(&jobs_where(OF_PAYMENT))?.query_row([hash.to_hex()], jobs::read).optional()
}

pub(super) fn unfinished(conn: &Connection) -> rusqlite::Result<Vec<JobState>> {
    conn.prepare_cached(&jobs_where(UNFINISHED))?.query_map([], jobs::read)?.collect()
}

/// The jobs taken last, the newest first. Those of one status may have to be looked for among all.
pub(super) fn newest(conn: &Connection, status: Option<Execution>, limit: usize) -> rusqlite::Result<Vec<JobState>> {
    let condition =
        if status.is_some() { "status = ?1 ORDER BY rowid DESC LIMIT ?2" } else { "?1 IS NULL ORDER BY rowid DESC LIMIT ?2" };
    let fields = rusqlite::params![status.map(Execution::word), integer(limit as u64)];
    conn.prepare_cached(&jobs_where(condition))?.query_map(fields, jobs::read)?.collect()
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

fn recent_row(row: &Row<'_>) -> rusqlite::Result<Earning> {
    Ok(Earning {
        amount: Msat::new(number(row.get(0)?)),
        source: if row.get_ref(1)?.as_str()? == "tip" { Source::Tip } else { Source::Job },
        at: UnixTime::new(number(row.get(2)?)),
        job: JobId::from_hex(row.get_ref(3)?.as_str()?).ok_or_else(|| jobs::unknown(3, "not a job's id"))?,
        payment_hash: PaymentHash::from_hex(row.get_ref(4)?.as_str()?).ok_or_else(|| jobs::unknown(4, "not a payment's hash"))?,
    })
}

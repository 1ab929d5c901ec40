//! Queries. Each is bounded by an index or a limit, which `tests/query_plans.rs` checks.

use crate::columns::{from_json, hex_id, integer, json, number, parsed};
use crate::readable::{Readable, UnreadableRow};
use crate::text_cipher::TextCipher;
use crate::{jobs, totals};
use pylon_core::earnings::{Earning, EarningSource, Earnings};
use pylon_core::guest::GuestRef;
use pylon_core::machine::{Execution, Failure, JobState};
use pylon_core::message::{RelayRefusal, SignedMessage};
use pylon_core::rows::{OpenInvoice, OutboxRow, UnfinishedJob};
use pylon_core::{Digest, JobId, MessageId, Msat, PaymentHash, PublicKey, UnixTime};
use rusqlite::{Connection, OptionalExtension as _, Row};
use std::collections::BTreeMap;

pub(super) const KNOWS: &str =
    "SELECT 1 FROM jobs WHERE id = ?1 UNION ALL SELECT 1 FROM refusals WHERE id = ?1";
/// The index `jobs_open` contains exactly these rows, oldest first.
pub(super) const OPEN: &str = "closed = 0 ORDER BY received_at, rowid";
pub(super) const UNFINISHED: &str = "SELECT rowid AS number, id AS job, kind, \
                                            customer_pubkey, plan, status, invoicing FROM jobs \
                                     WHERE closed = 0 ORDER BY received_at, rowid";
pub(super) const OF_ID: &str = "id = ?1";
pub(super) const OF_PAYMENT: &str = "SELECT id FROM jobs WHERE payment_hash = ?1";
pub(super) const CUSTOMER_OF_OPEN: &str = "SELECT customer_pubkey FROM jobs WHERE id = ?1 \
                                           AND status IN ('received', 'awaiting_payment', \
                                                          'processing')";
pub(super) const GUESTS_OF: &str =
    "SELECT slot, name, version, digest FROM decisions WHERE job_id = ?1 ORDER BY id";
pub(super) const OPEN_INVOICES: &str = "SELECT rowid AS number, id AS job, payment_hash, \
                                               settlement = 'cancelled' \
                                        FROM jobs WHERE closed = 0 AND payment_hash IS NOT NULL \
                                        AND invoicing = 'open' \
                                        AND settlement IN ('pending', 'held', 'cancelled')";
pub(super) const UNSENT: &str = "SELECT rowid AS number, job_id AS job, is_result, id, bytes, \
                                        expires_at \
                                 FROM outbox WHERE is_result = ?1 ORDER BY seq";
pub(super) const RELAY_REFUSALS: &str =
    "SELECT relay, reason, refused_at FROM relay_refusals WHERE job_id = ?1 ORDER BY relay";
pub(super) const RECENT: &str = "SELECT amount_msats, source, earned_at, job_id, payment_hash \
                                 FROM earnings WHERE earned_at >= 0 \
                                 AND source IN ('job', 'tip') \
                                 ORDER BY earned_at DESC, id DESC LIMIT ?1";

pub(super) const PANICKED: &str = "SELECT id FROM jobs \
                                   WHERE status = 'failed' AND received_at >= ?1 AND failure = ?2 \
                                   ORDER BY received_at DESC";

pub(super) const REFUND_DUE: &str =
    "SELECT coalesce(sum(paid_msats), 0) FROM jobs WHERE settlement = 'refund_due'";

/// By the time of the request, which is refused immediately. There is one index for requests that
/// guests decided about and one for the others.
pub(super) const REFUSED: [&str; 2] = [
    "SELECT code FROM refusals WHERE request IS NULL AND created_at >= ?1 LIMIT ?2",
    "SELECT code FROM refusals WHERE request IS NOT NULL AND created_at >= ?1 LIMIT ?2",
];

/// The code of requests to any provider that were dropped because there was no capacity.
const DROPPED_CODE: &str = "dropped";
pub(super) const DROPPED: &str =
    "SELECT coalesce(sum(jobs), 0) FROM dropped_requests WHERE hour >= ?1";

/// The query for jobs that fulfil this condition.
pub(super) fn jobs_where(condition: &str) -> String {
    format!("SELECT {} FROM jobs WHERE {condition}", jobs::COLUMNS)
}

pub(super) fn knows(conn: &Connection, id: JobId) -> rusqlite::Result<bool> {
    conn.prepare_cached(KNOWS)?.exists([id.to_hex()])
}

pub(super) fn job(
    conn: &Connection,
    cipher: &TextCipher,
    id: JobId,
) -> rusqlite::Result<Option<JobState>> {
    conn.prepare_cached(&jobs_where(OF_ID))?
        .query_row([id.to_hex()], |row| jobs::read(row, cipher))
        .optional()
}

pub(super) fn job_of_payment(
    conn: &Connection,
    hash: PaymentHash,
) -> rusqlite::Result<Option<JobId>> {
    conn.prepare_cached(OF_PAYMENT)?
        .query_row([hash.to_hex()], |row| hex_id(row, 0, JobId::from_hex))
        .optional()
}

pub(super) fn customer_of_open(
    conn: &Connection,
    id: JobId,
) -> rusqlite::Result<Option<PublicKey>> {
    conn.prepare_cached(CUSTOMER_OF_OPEN)?
        .query_row([id.to_hex()], |row| hex_id(row, 0, PublicKey::from_hex))
        .optional()
}

pub(super) fn guests_of(conn: &Connection, id: JobId) -> rusqlite::Result<Vec<GuestRef>> {
    let (mut select, mut guests) = (conn.prepare_cached(GUESTS_OF)?, Vec::new());
    let mut rows = select.query([id.to_hex()])?;
    while let Some(row) = rows.next()? {
        let digest = hex_id(row, 3, Digest::from_hex)?;
        let guest = GuestRef { slot: row.get(0)?, name: row.get(1)?, version: row.get(2)?, digest };
        if !guests.contains(&guest) {
            guests.push(guest);
        }
    }
    Ok(guests)
}

pub(super) fn open_invoices(conn: &Connection) -> rusqlite::Result<Readable<OpenInvoice>> {
    let invoice = |row: &Row<'_>| {
        let (job, payment_hash) =
            (hex_id(row, 1, JobId::from_hex)?, hex_id(row, 2, PaymentHash::from_hex)?);
        Ok(OpenInvoice { job, payment_hash, cancelled: row.get(3)? })
    };
    let mut select = conn.prepare_cached(OPEN_INVOICES)?;
    Readable::collect("jobs", select.query([])?, usize::MAX, invoice)
}

pub(super) fn unfinished(conn: &Connection) -> rusqlite::Result<Readable<UnfinishedJob>> {
    let mut select = conn.prepare_cached(UNFINISHED)?;
    Readable::collect("jobs", select.query([])?, usize::MAX, unfinished_row)
}

pub(super) fn unsent(
    conn: &Connection,
    results: bool,
    limit: usize,
) -> rusqlite::Result<Readable<OutboxRow>> {
    let mut select = conn.prepare_cached(UNSENT)?;
    Readable::collect("outbox", select.query([results])?, limit, outbox_row)
}

/// Rows that a running node would leave out.
pub(super) fn unreadable_rows(conn: &Connection) -> rusqlite::Result<Vec<UnreadableRow>> {
    let mut found = open_invoices(conn)?.unreadable;
    for results in [true, false] {
        found.extend(unsent(conn, results, usize::MAX)?.unreadable);
    }
    found.extend(unfinished(conn)?.unreadable);
    let (mut select, cipher) = (conn.prepare_cached(&jobs_where(OPEN))?, TextCipher::default());
    let check = |row: &Row<'_>| jobs::read(row, &cipher).map(drop);
    found.extend(Readable::collect("jobs", select.query([])?, usize::MAX, check)?.unreadable);
    // One row may be found by several queries.
    found.sort_by_key(|row| (row.table, row.number));
    found.dedup_by_key(|row| (row.table, row.number));
    Ok(found)
}

/// Jobs since then that ended because one of their tasks panicked, the newest first.
pub(super) fn panicked(conn: &Connection, since: UnixTime) -> rusqlite::Result<Vec<JobId>> {
    conn.prepare_cached(PANICKED)?
        .query_map((integer(since.get()), json(&Failure::Panicked)?), |row| {
            hex_id(row, 0, JobId::from_hex)
        })?
        .collect()
}

pub(super) fn relay_refusals(
    conn: &Connection,
    id: JobId,
) -> rusqlite::Result<Vec<(RelayRefusal, UnixTime)>> {
    let refusal = |row: &Row<'_>| {
        let refusal = RelayRefusal { job: id, relay: row.get(0)?, reason: row.get(1)? };
        Ok((refusal, UnixTime::new(number(row.get(2)?))))
    };
    conn.prepare_cached(RELAY_REFUSALS)?.query_map([id.to_hex()], refusal)?.collect()
}

/// The newest jobs, the newest first. With a status, the query may read all rows.
pub(super) fn newest(
    conn: &Connection,
    cipher: &TextCipher,
    status: Option<Execution>,
    limit: usize,
) -> rusqlite::Result<Readable<JobState>> {
    let condition = if status.is_some() {
        "status = ?1 ORDER BY rowid DESC"
    } else {
        "?1 IS NULL ORDER BY rowid DESC"
    };
    let fields = [status.map(Execution::as_str)];
    let mut select = conn.prepare_cached(&jobs_where(condition))?;
    Readable::collect("jobs", select.query(fields)?, limit, |row| jobs::read(row, cipher))
}

pub(super) fn earnings(conn: &Connection, limit: usize) -> rusqlite::Result<Earnings> {
    let (jobs_completed, by_source) = totals::overall(conn)?;
    let total = by_source.iter().fold(Msat::ZERO, |sum, (_, paid)| sum.saturating_add(*paid));
    let recent = conn
        .prepare_cached(RECENT)?
        .query_map([integer(limit as u64)], recent_row)?
        .collect::<rusqlite::Result<_>>()?;
    let refund_due = conn.prepare_cached(REFUND_DUE)?.query_row([], |row| row.get(0))?;
    let refund_due = Msat::new(number(refund_due));
    Ok(Earnings { total, refund_due, jobs_completed, by_source, recent })
}

/// The number of requests made since then that were refused, by the code of the reason. Counts at
/// most `limit` that guests decided about, and at most `limit` others. Those that were dropped
/// without an answer are counted by the hour.
pub(super) fn refused(
    conn: &Connection,
    since: UnixTime,
    limit: usize,
) -> rusqlite::Result<BTreeMap<String, u64>> {
    let dropped: i64 =
        conn.prepare_cached(DROPPED)?.query_row([integer(since.get() / 3600)], |row| row.get(0))?;
    let dropped = (dropped > 0).then(|| (DROPPED_CODE.to_owned(), number(dropped)));
    let mut refused = BTreeMap::from_iter(dropped);
    for query in REFUSED {
        let mut select = conn.prepare_cached(query)?;
        let mut rows = select.query((integer(since.get()), integer(limit as u64)))?;
        while let Some(row) = rows.next()? {
            let code = row.get_ref(0)?.as_str()?;
            match refused.get_mut(code) {
                Some(count) => *count += 1,
                None => drop(refused.insert(code.to_owned(), 1)),
            }
        }
    }
    Ok(refused)
}

fn unfinished_row(row: &Row<'_>) -> rusqlite::Result<UnfinishedJob> {
    /// The part of the plan that is needed here.
    #[derive(serde::Deserialize)]
    struct Plan {
        #[serde(default)]
        revision: u64,
    }
    Ok(UnfinishedJob {
        id: hex_id(row, 1, JobId::from_hex)?,
        kind: row.get(2)?,
        customer: hex_id(row, 3, PublicKey::from_hex)?,
        revision: from_json::<Plan>(row, 4)?.revision,
        execution: parsed(row, 5)?,
        invoicing: parsed(row, 6)?,
    })
}

fn outbox_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    Ok(OutboxRow {
        job: hex_id(row, 1, JobId::from_hex)?,
        result: row.get(2)?,
        message: SignedMessage { id: hex_id(row, 3, MessageId::from_hex)?, bytes: row.get(4)? },
        expires_at: UnixTime::new(number(row.get(5)?)),
    })
}

fn recent_row(row: &Row<'_>) -> rusqlite::Result<Earning> {
    Ok(Earning {
        amount: Msat::new(number(row.get(0)?)),
        source: row.get_ref(1)?.as_str()?.parse().unwrap_or(EarningSource::Job),
        at: UnixTime::new(number(row.get(2)?)),
        job: hex_id(row, 3, JobId::from_hex)?,
        payment_hash: hex_id(row, 4, PaymentHash::from_hex)?,
    })
}

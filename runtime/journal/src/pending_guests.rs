//! Guests next to a slot, and the answers of shadow guests.

use crate::columns::{answer, from_json, hex_id, integer, json, number, parsed};
use pylon_core::guest::Fault;
use pylon_core::installation::{PendingGuest, PendingKind, ShadowRow};
use pylon_core::{Digest, JobId, UnixTime};
use rusqlite::{Connection, Row, params};

pub(super) const PAIRS: &str = "SELECT d.job_id, d.function, d.output, d.fault, s.output, s.fault, \
                                       s.fuel, d.decided_at \
                                FROM shadow_answers s JOIN decisions d ON d.id = s.decision_id \
                                WHERE s.slot = ?1 AND s.digest = ?2 AND d.decided_at >= ?4 \
                                ORDER BY s.decision_id DESC LIMIT ?3";
/// Adds an answer to the last decision of that job, function, attempt and question, if there is
/// one. Every route of a job is priced in the same attempt.
pub(super) const ADD_ANSWER: &str = "INSERT OR IGNORE INTO shadow_answers \
                                            (decision_id, slot, digest, output, fault, fuel) \
                                     SELECT max(id), ?4, ?5, ?6, ?7, ?8 FROM decisions \
                                     WHERE job_id = ?1 AND function = ?2 AND attempt = ?3 AND input = ?9 \
                                     HAVING max(id) IS NOT NULL";

/// The answers of the active guest and of the shadow guest to the same question.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerPair {
    /// The job that the question is about.
    pub job: JobId,
    /// `rank`, `quote`, `settle` or `judge`.
    pub function: String,
    /// Of the active guest.
    pub active: Result<String, Fault>,
    /// Of the shadow.
    pub shadow: Result<String, Fault>,
    /// Fuel that the shadow guest consumed.
    pub fuel: u64,
    /// When the active guest was called.
    pub at: UnixTime,
}

pub(super) fn put(conn: &Connection, row: &PendingGuest) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO pending_guests (slot, kind, guest, extra_grants, since) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        row.slot,
        row.kind.as_str(),
        json(&row.guest)?,
        json(&row.extra_grants)?,
        integer(row.since.get())
    ])
    .map(drop)
}

pub(super) fn remove(conn: &Connection, slot: &str, purpose: PendingKind) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM pending_guests WHERE slot = ?1 AND kind = ?2")?
        .execute([slot, purpose.as_str()])
        .map(drop)
}

pub(super) fn add_answer(conn: &Connection, row: &ShadowRow) -> rusqlite::Result<()> {
    conn.prepare_cached(ADD_ANSWER)?
        .execute(params![
            row.job.to_hex(),
            row.function.as_str(),
            row.attempt,
            row.slot,
            row.digest.to_hex(),
            row.output.as_ref().ok(),
            row.output.as_ref().err().map(|fault| fault.as_str()),
            integer(row.fuel),
            row.input,
        ])
        .map(drop)
}

pub(super) fn all(conn: &Connection) -> rusqlite::Result<Vec<PendingGuest>> {
    conn.prepare_cached(
        "SELECT slot, kind, guest, extra_grants, since FROM pending_guests ORDER BY slot, kind",
    )?
    .query_map([], |row| {
        Ok(PendingGuest {
            slot: row.get(0)?,
            kind: parsed(row, 1)?,
            guest: from_json(row, 2)?,
            extra_grants: from_json(row, 3)?,
            since: UnixTime::new(number(row.get(4)?)),
        })
    })?
    .collect()
}

pub(super) fn pairs(
    conn: &Connection,
    slot: &str,
    digest: Digest,
    since: UnixTime,
    limit: usize,
    mut each: impl FnMut(AnswerPair),
) -> rusqlite::Result<()> {
    let mut select = conn.prepare_cached(PAIRS)?;
    let mut rows = select.query(params![
        slot,
        digest.to_hex(),
        integer(limit as u64),
        integer(since.get())
    ])?;
    while let Some(row) = rows.next()? {
        each(pair(row)?);
    }
    Ok(())
}

fn pair(row: &Row<'_>) -> rusqlite::Result<AnswerPair> {
    Ok(AnswerPair {
        job: hex_id(row, 0, JobId::from_hex)?,
        function: row.get(1)?,
        active: answer(row, 2, 3)?,
        shadow: answer(row, 4, 5)?,
        fuel: number(row.get(6)?),
        at: UnixTime::new(number(row.get(7)?)),
    })
}

//! Who stands beside the slots, and what shadows said.

use super::books::fault_of;
use super::installations::json;
use super::jobs::unknown;
use super::rows::fault_word;
use super::{integer, number};
use pylon_core::ports::guests::Fault;
use pylon_core::ports::installations::{Purpose, ShadowRow, Standby};
use pylon_core::{Digest, JobId, UnixTime};
use rusqlite::{Connection, Row, params};
use serde::Serialize;

pub(super) const PAIRS: &str = "SELECT d.job_id, d.function, d.output, d.fault, s.output, s.fault, s.fuel, d.decided_at FROM shadows s \
                                JOIN decisions d ON d.id = s.decision_id WHERE s.slot = ?1 AND s.digest = ?2 AND d.decided_at >= ?4 \
                                ORDER BY s.decision_id DESC LIMIT ?3";
pub(super) const OF_DECISION: &str = "INSERT OR IGNORE INTO shadows (decision_id, slot, digest, output, fault, fuel) \
                                      SELECT max(id), ?4, ?5, ?6, ?7, ?8 FROM decisions WHERE job_id = ?1 AND function = ?2 \
                                      AND attempt = ?3 HAVING max(id) IS NOT NULL";

/// The active guest's answer to a question and the shadow's.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// For which job.
    pub job: JobId,
    /// `rank`, `quote`, `settle` or `judge`.
    pub function: String,
    /// Of the active guest.
    pub active: Result<String, Fault>,
    /// Of the shadow.
    pub shadow: Result<String, Fault>,
    /// What the shadow took.
    pub fuel: u64,
    /// When the active one was asked.
    pub at: UnixTime,
}

pub(super) fn put(conn: &Connection, row: &Standby) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO standbys (slot, purpose, guest, beyond, since) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![row.slot, row.purpose.word(), text(&row.guest)?, text(&row.beyond)?, integer(row.since.get())])
        .map(drop)
}

pub(super) fn remove(conn: &Connection, slot: &str, purpose: Purpose) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM standbys WHERE slot = ?1 AND purpose = ?2")?
        .execute([slot, purpose.word()])
        .map(drop)
}

pub(super) fn answer(conn: &Connection, row: &ShadowRow) -> rusqlite::Result<()> {
    conn.prepare_cached(OF_DECISION)?
        .execute(params![
            row.job.to_hex(),
            row.function,
            row.attempt,
            row.slot,
            row.digest.to_hex(),
            row.output.as_ref().ok(),
            row.output.as_ref().err().map(|fault| fault_word(*fault)),
            integer(row.fuel),
        ])
        .map(drop)
}

pub(super) fn all(conn: &Connection) -> rusqlite::Result<Vec<Standby>> {
    conn.prepare_cached(
        "SELECT slot, purpose, guest, beyond, since FROM standbys ORDER BY slot, purpose",
    )?
    .query_map([], |row| {
        Ok(Standby {
            slot: row.get(0)?,
            purpose: Purpose::from_word(row.get_ref(1)?.as_str()?)
                .ok_or_else(|| unknown(1, "not a purpose"))?,
            guest: json(row, 2)?,
            beyond: json(row, 3)?,
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
    mut each: impl FnMut(Pair),
) -> rusqlite::Result<()> {
    let mut question = conn.prepare_cached(PAIRS)?;
    let mut rows = question.query(params![
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

fn pair(row: &Row<'_>) -> rusqlite::Result<Pair> {
    let said = |output: usize, fault: usize| -> rusqlite::Result<Result<String, Fault>> {
        let (output, fault): (Option<String>, Option<String>) = (row.get(output)?, row.get(fault)?);
        Ok(output.ok_or_else(|| fault_of(fault)))
    };
    Ok(Pair {
        job: JobId::from_hex(row.get_ref(0)?.as_str()?)
            .ok_or_else(|| unknown(0, "not 64 lowercase hex digits"))?,
        function: row.get(1)?,
        active: said(2, 3)?,
        shadow: said(4, 5)?,
        fuel: number(row.get(6)?),
        at: UnixTime::new(number(row.get(7)?)),
    })
}

fn text(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|why| rusqlite::Error::ToSqlConversionFailure(why.into()))
}

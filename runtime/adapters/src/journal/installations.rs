//! The history of the slots, and the record of who changed them.

use super::jobs::unknown;
use super::{integer, number};
use pylon_core::ports::installations::{Audit, Installation, Installed};
use pylon_core::{Digest, PublicKey, UnixTime};
use rusqlite::{Connection, Row, params};
use serde::de::DeserializeOwned;

pub(super) fn insert(conn: &Connection, row: &Installation) -> rusqlite::Result<()> {
    let guest = row.guest.as_ref();
    let json = |value: Result<String, serde_json::Error>| {
        value.map_err(|why| rusqlite::Error::ToSqlConversionFailure(why.into()))
    };
    conn.prepare_cached(
        "INSERT INTO generations (generation, slot, digest, name, version, source, settings, grants, limits, publisher, stanza, why, \
         installed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        integer(row.generation),
        row.slot,
        guest.map(|guest| guest.digest.to_hex()),
        guest.map(|guest| &guest.name),
        guest.map(|guest| &guest.version),
        guest.map(|guest| &guest.source),
        guest.map(|guest| json(serde_json::to_string(&guest.settings))).transpose()?,
        guest.map(|guest| json(serde_json::to_string(&guest.grants))).transpose()?,
        guest.map(|guest| json(serde_json::to_string(&guest.limits))).transpose()?,
        guest.and_then(|guest| guest.publisher).map(|key| key.to_hex()),
        row.stanza,
        row.why,
        integer(row.at.get()),
    ])
    .map(drop)
}

/// So many stay of what was done, the newest, and so many of what was refused: who is refused again and again displaces nothing else. What says how a guest
/// of the history came stays anyway.
pub(super) const AUDIT_ROWS: i64 = 10_000;
/// Older ones go when there are so many of them.
pub(super) const AUDIT_ROOM: i64 = 100;

pub(super) fn audit(conn: &Connection, row: &Audit) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO audit (at, action, slot, digest, guest, publisher, outcome, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        integer(row.at.get()),
        row.action,
        row.slot,
        row.digest.map(|digest| digest.to_hex()),
        row.guest,
        row.publisher.map(|key| key.to_hex()),
        row.outcome,
        row.detail,
    ])?;
    if conn.last_insert_rowid() % AUDIT_ROOM == 0 { prune(conn) } else { Ok(()) }
}

fn prune(conn: &Connection) -> rusqlite::Result<()> {
    let mut prune = conn.prepare_cached(
        "DELETE FROM audit WHERE (outcome = 'done') = ?1 \
            AND id <= (SELECT id FROM audit WHERE (outcome = 'done') = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2) \
            AND id NOT IN (SELECT max(audit.id) FROM audit JOIN generations ON audit.slot = generations.slot \
                AND audit.digest = generations.digest AND audit.at = generations.installed_at \
                WHERE outcome = 'done' GROUP BY audit.slot, audit.digest)",
    )?;
    prune.execute(params![true, AUDIT_ROWS])?;
    prune.execute(params![false, AUDIT_ROWS]).map(drop)
}

pub(super) fn all(conn: &Connection) -> rusqlite::Result<Vec<Installation>> {
    conn.prepare_cached(
        "SELECT generation, slot, digest, name, version, source, settings, grants, limits, publisher, stanza, why, installed_at \
         FROM generations ORDER BY generation",
    )?
    .query_map([], |row| {
        Ok(Installation {
            generation: number(row.get(0)?),
            slot: row.get(1)?,
            guest: guest(row)?,
            stanza: row.get(10)?,
            why: row.get(11)?,
            at: UnixTime::new(number(row.get(12)?)),
        })
    })?
    .collect()
}

fn guest(row: &Row<'_>) -> rusqlite::Result<Option<Installed>> {
    let Some(digest) = parsed(row, 2, Digest::from_hex)? else { return Ok(None) };
    Ok(Some(Installed {
        digest,
        name: row.get(3)?,
        version: row.get(4)?,
        source: row.get(5)?,
        settings: json(row, 6)?,
        grants: json(row, 7)?,
        limits: json(row, 8)?,
        publisher: parsed(row, 9, PublicKey::from_hex)?,
    }))
}

pub(super) fn audited(conn: &Connection, limit: usize) -> rusqlite::Result<Vec<Audit>> {
    conn.prepare_cached(
        "SELECT at, action, slot, digest, guest, publisher, outcome, detail FROM audit ORDER BY id DESC LIMIT ?1",
    )?
    .query_map([limit], |row| {
        Ok(Audit {
            at: UnixTime::new(number(row.get(0)?)),
            action: row.get(1)?,
            slot: row.get(2)?,
            digest: parsed(row, 3, Digest::from_hex)?,
            guest: row.get(4)?,
            publisher: parsed(row, 5, PublicKey::from_hex)?,
            outcome: row.get(6)?,
            detail: row.get(7)?,
        })
    })?
    .collect()
}

fn parsed<T>(
    row: &Row<'_>,
    column: usize,
    parse: fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(|text| {
        parse(text).ok_or_else(|| unknown(column, format!("`{text}` means nothing here")))
    })
    .transpose()
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|why| unknown(column, why))
}

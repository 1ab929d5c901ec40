//! The history of the slots and the audit log of their changes.

use crate::columns::{from_json, integer, invalid, json, number};
use pylon_core::installation::{Audit, Installation, InstalledGuest};
use pylon_core::{Digest, PublicKey, UnixTime};
use rusqlite::{Connection, Row, params};

pub(super) fn insert(conn: &Connection, row: &Installation) -> rusqlite::Result<()> {
    let guest = row.guest.as_ref();
    conn.prepare_cached(
        "INSERT INTO slot_changes (revision, slot, digest, name, version, source, settings, \
                                   grants, limits, publisher, config, cause, installed_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        integer(row.revision),
        row.slot,
        guest.map(|guest| guest.digest.to_hex()),
        guest.map(|guest| &guest.name),
        guest.map(|guest| &guest.version),
        guest.map(|guest| &guest.source),
        guest.map(|guest| json(&guest.settings)).transpose()?,
        guest.map(|guest| json(&guest.grants)).transpose()?,
        guest.map(|guest| json(&guest.limits)).transpose()?,
        guest.and_then(|guest| guest.publisher).map(|key| key.to_hex()),
        row.config,
        row.cause,
        integer(row.at.get()),
    ])
    .map(drop)
}

/// Rows that are kept of successful changes, and likewise of refused ones: repeated refusals do not
/// displace successful changes. Rows about the installation of a guest in the history are always
/// kept.
pub(super) const AUDIT_ROWS_MAX: i64 = 10_000;
/// Every this many rows, old ones are removed.
pub(super) const AUDIT_PRUNE_INTERVAL: i64 = 100;

pub(super) fn audit(conn: &Connection, row: &Audit) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO audit (at, action, slot, digest, guest, publisher, outcome, detail) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
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
    if conn.last_insert_rowid() % AUDIT_PRUNE_INTERVAL == 0 { prune(conn) } else { Ok(()) }
}

fn prune(conn: &Connection) -> rusqlite::Result<()> {
    let mut prune = conn.prepare_cached(
        "DELETE FROM audit WHERE (outcome = 'done') = ?1 \
            AND id <= (SELECT id FROM audit WHERE (outcome = 'done') = ?1 \
                       ORDER BY id DESC LIMIT 1 OFFSET ?2) \
            AND id NOT IN (SELECT max(audit.id) FROM audit JOIN slot_changes \
                           ON audit.slot = slot_changes.slot \
                           AND audit.digest = slot_changes.digest \
                           AND audit.at = slot_changes.installed_at \
                           WHERE outcome = 'done' GROUP BY audit.slot, audit.digest)",
    )?;
    prune.execute(params![true, AUDIT_ROWS_MAX])?;
    prune.execute(params![false, AUDIT_ROWS_MAX]).map(drop)
}

pub(super) fn all(conn: &Connection) -> rusqlite::Result<Vec<Installation>> {
    conn.prepare_cached(
        "SELECT revision, slot, digest, name, version, source, settings, grants, limits, \
                publisher, config, cause, installed_at \
         FROM slot_changes ORDER BY revision",
    )?
    .query_map([], |row| {
        Ok(Installation {
            revision: number(row.get(0)?),
            slot: row.get(1)?,
            guest: guest(row)?,
            config: row.get(10)?,
            cause: row.get(11)?,
            at: UnixTime::new(number(row.get(12)?)),
        })
    })?
    .collect()
}

fn guest(row: &Row<'_>) -> rusqlite::Result<Option<InstalledGuest>> {
    let Some(digest) = optional_hex(row, 2, Digest::from_hex)? else { return Ok(None) };
    Ok(Some(InstalledGuest {
        digest,
        name: row.get(3)?,
        version: row.get(4)?,
        source: row.get(5)?,
        settings: from_json(row, 6)?,
        grants: from_json(row, 7)?,
        limits: from_json(row, 8)?,
        publisher: optional_hex(row, 9, PublicKey::from_hex)?,
    }))
}

pub(super) fn audit_log(conn: &Connection, limit: usize) -> rusqlite::Result<Vec<Audit>> {
    conn.prepare_cached(
        "SELECT at, action, slot, digest, guest, publisher, outcome, detail FROM audit \
         ORDER BY id DESC LIMIT ?1",
    )?
    .query_map([limit], |row| {
        Ok(Audit {
            at: UnixTime::new(number(row.get(0)?)),
            action: row.get(1)?,
            slot: row.get(2)?,
            digest: optional_hex(row, 3, Digest::from_hex)?,
            guest: row.get(4)?,
            publisher: optional_hex(row, 5, PublicKey::from_hex)?,
            outcome: row.get(6)?,
            detail: row.get(7)?,
        })
    })?
    .collect()
}

fn optional_hex<T>(
    row: &Row<'_>,
    column: usize,
    parse: fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(|text| {
        parse(text).ok_or_else(|| invalid(column, format!("`{text}` is not 64 hex digits")))
    })
    .transpose()
}

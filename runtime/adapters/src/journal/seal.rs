//! Seals: what shows that nobody has changed, moved or removed a decision. When its text goes in time a row gets another seal, if it had a good
//! one. Numbers are given in order and none twice; the last of them is sealed, and so are those that were forgotten, so a gap is found.

use super::{Recorded, Safe, integer, number};
use hmac::{Hmac, Mac};
use pylon_core::ports::guests::Cost;
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::Sha256;

/// Of HMAC-SHA-256, the half that is kept: nobody guesses it.
pub(super) const SEAL_BYTES: usize = 16;

/// The key of all seals, one for each node.
pub(super) type Key = Hmac<Sha256>;

/// What a row says, as it is sealed.
pub(super) struct Sealable<'a> {
    pub(super) id: i64,
    pub(super) job: &'a [u8; 32],
    pub(super) slot: &'a str,
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) digest: &'a [u8; 32],
    pub(super) function: &'a str,
    pub(super) attempt: u32,
    pub(super) input: &'a str,
    pub(super) output: Option<&'a str>,
    pub(super) fault: Option<&'a str>,
    pub(super) cost: Cost,
    pub(super) micros: i64,
    pub(super) at: i64,
    pub(super) generation: i64,
    pub(super) engine: &'a str,
    /// 0 while they are there.
    pub(super) text_gone_at: i64,
}

impl Sealable<'_> {
    pub(super) fn seal(&self, key: &Key) -> [u8; SEAL_BYTES] {
        let (cost, unit) = match self.cost {
            Cost::Fuel(units) => (units, 0),
            Cost::CpuMicros(micros) => (micros, 1),
        };
        let numbers = [
            self.id,
            self.micros,
            self.at,
            self.generation,
            i64::from(self.attempt),
            integer(cost),
            unit,
            self.text_gone_at,
        ];
        let output = self.output.unwrap_or_default();
        let texts = [
            self.slot,
            self.name,
            self.version,
            self.function,
            self.fault.unwrap_or_default(),
            self.engine,
            self.input,
            output,
        ];
        let mut bytes = Vec::with_capacity(512 + self.input.len() + output.len());
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(self.job);
        bytes.extend_from_slice(self.digest);
        bytes.push(u8::from(self.output.is_some()));
        // Each with its length, so that no two rows are the same bytes.
        for text in texts {
            bytes.extend_from_slice(&text.len().to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        half(key, &[&bytes])
    }
}

fn half(key: &Key, parts: &[&[u8]]) -> [u8; SEAL_BYTES] {
    let mut mac = key.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().first_chunk().copied().unwrap_or_default()
}

/// A row against its seal.
pub(super) fn holds(key: &Key, row: &Recorded, seal: &[u8]) -> bool {
    row.sealable().seal(key) == seal
}

/// The decisions that have seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The first that was ever sealed under this key.
    pub first: u64,
    /// The last.
    pub last: u64,
}

fn of_range(key: &Key, what: &[u8], first: i64, last: i64) -> [u8; SEAL_BYTES] {
    half(key, &[what, &first.to_le_bytes(), &last.to_le_bytes()])
}

/// What is sealed; `None` where nothing is under this key.
pub(super) fn sealed(conn: &Connection, key: &Key) -> rusqlite::Result<Option<Sealed>> {
    let row = conn
        .prepare_cached("SELECT first, last, seal FROM decisions_sealed WHERE one = 1")?
        .query_row([], range)
        .optional()?;
    let ours = row.filter(|(first, last, seal)| {
        seal.as_deref() == Some(&of_range(key, b"all", *first, *last))
    });
    Ok(ours.map(|(first, last, _)| Sealed { first: number(first), last: number(last) }))
}

/// The next numbers, in memory between two commits.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    first: Option<i64>,
    last: i64,
    is_written: bool,
}

impl Numbers {
    pub(super) fn load(conn: &Connection, key: &Key) -> rusqlite::Result<Self> {
        let newest: Option<i64> = conn
            .prepare_cached("SELECT max(id) FROM decisions")?
            .query_row([], |row| row.get(0))?;
        let sealed = sealed(conn, key)?;
        // What was there and is gone is never given again.
        let last = newest.unwrap_or(0).max(sealed.map_or(0, |sealed| integer(sealed.last)));
        Ok(Self { first: sealed.map(|sealed| integer(sealed.first)), last, is_written: true })
    }

    pub(super) fn next(&mut self) -> i64 {
        self.last = self.last.saturating_add(1);
        self.first.get_or_insert(self.last);
        self.is_written = false;
        self.last
    }

    /// Seals how far the numbers have come.
    pub(super) fn write(&mut self, conn: &Connection, key: &Key) -> rusqlite::Result<()> {
        let Some(first) = self.first.filter(|_| !self.is_written) else { return Ok(()) };
        conn.prepare_cached("INSERT OR REPLACE INTO decisions_sealed (one, first, last, seal) VALUES (1, ?1, ?2, ?3)")?
            .execute(params![first, self.last, of_range(key, b"all", first, self.last)])?;
        self.is_written = true;
        Ok(())
    }
}

/// Notes that these decisions, in order, are gone for a reason.
pub(super) fn forget(conn: &Connection, safe: &Safe, ids: &[i64]) -> rusqlite::Result<()> {
    for run in ids.chunk_by(|one, next| one + 1 == *next) {
        let (Some(&first), Some(&last)) = (run.first(), run.last()) else { continue };
        let before = conn.prepare_cached(FORGOTTEN_UP_TO)?.query_row([first], range).optional()?;
        let after =
            conn.prepare_cached(FORGOTTEN_UP_TO)?.query_row([last + 1], range).optional()?;
        let first =
            before.filter(|(_, end, _)| end + 1 == first).map_or(first, |(begin, ..)| begin);
        let last = match after.filter(|(begin, ..)| *begin == last + 1) {
            Some((begin, end, _)) => {
                conn.prepare_cached("DELETE FROM decisions_forgotten WHERE first = ?1")?
                    .execute([begin])?;
                end
            }
            None => last,
        };
        let seal = safe.seals().map(|key| of_range(key, b"forgotten", first, last));
        conn.prepare_cached(
            "INSERT OR REPLACE INTO decisions_forgotten (first, last, seal) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![first, last, seal])?;
    }
    Ok(())
}

/// Were all of these forgotten for a reason?
pub(super) fn is_forgotten(
    conn: &Connection,
    key: &Key,
    first: i64,
    last: i64,
) -> rusqlite::Result<bool> {
    let found = conn.prepare_cached(FORGOTTEN_UP_TO)?.query_row([first], range).optional()?;
    let covers = |(begin, end, seal): (i64, i64, Option<Vec<u8>>)| {
        end >= last && seal.as_deref() == Some(&of_range(key, b"forgotten", begin, end))
    };
    Ok(found.is_some_and(covers))
}

pub(super) const FORGOTTEN_UP_TO: &str = "SELECT first, last, seal FROM decisions_forgotten WHERE first <= ?1 ORDER BY first DESC LIMIT 1";

fn range(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, i64, Option<Vec<u8>>)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

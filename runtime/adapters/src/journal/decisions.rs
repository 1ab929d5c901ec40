//! Decisions as they were recorded, whole, for whoever asks the same again. They are read in pages of a bounded size, and between two of them nothing
//! is held, so that a node beside may write as it likes.

use super::books::Books;
use super::jobs::{json_column, unknown};
use super::seal::{self, Sealable, Sealed};
use super::{Safe, number, unreadable};
use pylon_core::ports::guests::{Cost, Fault};
use pylon_core::ports::journal::JournalError;
use pylon_core::{Digest, Job, JobId, UnixTime};
use rusqlite::{OptionalExtension as _, Row, params};

/// Rows of one page at most …
const PAGE_ROWS: usize = 512;
/// … and, but for the last of them, bytes of their texts.
const PAGE_BYTES: usize = 4 << 20;

pub(super) const COLUMNS: &str = "id, job_id, slot, name, version, digest, function, attempt, input, output, fault, fuel, cpu_micros, micros, \
                       decided_at, generation, engine, seal, text_gone_at";

/// What a guest was asked and answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its number; later ones are larger.
    pub id: u64,
    /// For which job, or for which request that was refused.
    pub job: JobId,
    /// `routing`, `pricing`, `handler` or `verification`.
    pub slot: String,
    /// As the component calls itself.
    pub name: String,
    /// As the component calls itself.
    pub version: String,
    /// Of the component.
    pub digest: Digest,
    /// `rank`, `quote`, `settle`, `judge` or `run`.
    pub function: String,
    /// Of which attempt; 0 before the first.
    pub attempt: u32,
    /// What it was asked beside the job's own row, as JSON.
    pub input: String,
    /// Its answer as JSON, or the limit it broke.
    pub output: Result<String, Fault>,
    /// What it cost.
    pub cost: Cost,
    /// Wall time.
    pub micros: u64,
    /// When.
    pub at: UnixTime,
    /// The set of guests that it was one of; 0, in rows of the first versions: not known.
    pub generation: u64,
    /// The engine it ran on.
    pub engine: String,
    /// Since when its texts are there by digest only.
    pub text_gone_at: Option<UnixTime>,
    pub(super) seal: Option<Vec<u8>>,
}

/// What the seal of a decision says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// The row is as it was written.
    Holds,
    /// It is not, or it was sealed under another key.
    Broken,
    /// There is none.
    Absent,
}

/// Which decisions to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page<'a> {
    /// Those after this number.
    pub after: u64,
    /// Only of this function.
    pub function: Option<&'a str>,
    /// Not before this.
    pub since: UnixTime,
}

impl Recorded {
    /// Is this row as it was written?
    pub fn seal(&self, safe: &Safe) -> Seal {
        match (&self.seal, safe.seals()) {
            (Some(seal), Some(key)) if seal::holds(key, self, seal) => Seal::Holds,
            (Some(_), _) => Seal::Broken,
            (None, _) => Seal::Absent,
        }
    }

    pub(super) fn sealable(&self) -> Sealable<'_> {
        Sealable {
            id: super::integer(self.id),
            job: self.job.as_bytes(),
            slot: &self.slot,
            name: &self.name,
            version: &self.version,
            digest: self.digest.as_bytes(),
            function: &self.function,
            attempt: self.attempt,
            input: &self.input,
            output: self.output.as_ref().ok().map(String::as_str),
            fault: self.output.as_ref().err().map(|fault| super::rows::fault_word(*fault)),
            cost: self.cost,
            micros: super::integer(self.micros),
            at: super::integer(self.at.get()),
            generation: super::integer(self.generation),
            engine: &self.engine,
            text_gone_at: self.text_gone_at.map_or(0, |at| super::integer(at.get())),
        }
    }
}

impl Books {
    /// The next decisions, in order; none at the end.
    pub fn recorded(&self, page: Page<'_>) -> Result<Vec<Recorded>, JournalError> {
        let read = || {
            let mut asked = self.conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM decisions WHERE id > ?1 AND (?2 IS NULL OR function = ?2) AND decided_at >= ?3 \
                 ORDER BY id LIMIT ?4"
            ))?;
            let fields = params![
                super::integer(page.after),
                page.function,
                super::integer(page.since.get()),
                PAGE_ROWS
            ];
            let (mut rows, mut found, mut bytes) = (asked.query(fields)?, Vec::new(), 0);
            while bytes < PAGE_BYTES
                && let Some(row) = rows.next()?
            {
                let one = recorded(row)?;
                bytes += one.input.len() + one.output.as_ref().map_or(0, String::len);
                found.push(one);
            }
            Ok(found)
        };
        read().map_err(unreadable)
    }

    /// The number before the first decision that is not older than this, as far as the clock went forward.
    pub fn before(&self, since: UnixTime) -> Result<u64, JournalError> {
        let read = || {
            let mut probe = self.conn.prepare_cached(
                "SELECT id, decided_at FROM decisions WHERE id >= ?1 ORDER BY id LIMIT 1",
            )?;
            let newest: Option<i64> =
                self.conn.query_row("SELECT max(id) FROM decisions", [], |row| row.get(0))?;
            // Everything up to `low` is older, nothing after `high` is.
            let (mut low, mut high) = (0, newest.unwrap_or(0));
            while low < high {
                let middle = low + (high - low) / 2 + 1;
                let found: Option<(i64, i64)> =
                    probe.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
                match found {
                    Some((id, at)) if number(at) < since.get() => low = id.min(high),
                    _ => high = middle - 1,
                }
            }
            Ok(number(low))
        };
        read().map_err(unreadable)
    }

    /// All decisions about a job, or a request that was refused, in order.
    pub fn recorded_of(&self, job: JobId) -> Result<Vec<Recorded>, JournalError> {
        let question = format!("SELECT {COLUMNS} FROM decisions WHERE job_id = ?1 ORDER BY id");
        let read = || {
            self.conn
                .prepare_cached(&question)?
                .query_map([job.to_hex()], recorded)?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(unreadable)
    }

    /// The last decision of one function about a job, up to this attempt.
    pub fn recorded_last(
        &self,
        job: JobId,
        function: &str,
        attempt: u32,
    ) -> Result<Option<Recorded>, JournalError> {
        let question = format!(
            "SELECT {COLUMNS} FROM decisions WHERE job_id = ?1 AND function = ?2 AND attempt <= ?3 ORDER BY id DESC LIMIT 1"
        );
        let read = || {
            self.conn
                .prepare_cached(&question)?
                .query_row(params![job.to_hex(), function, attempt], recorded)
                .optional()
        };
        read().map_err(unreadable)
    }

    /// What is kept of a request that guests have refused.
    pub fn refused(&self, id: JobId) -> Result<Option<Job>, JournalError> {
        let read = || {
            let mut asked = self.conn.prepare_cached("SELECT job FROM refusals WHERE id = ?1")?;
            Ok(asked.query_row([id.to_hex()], |row| json_column(row, 0)).optional()?.flatten())
        };
        read().map_err(unreadable)
    }

    /// The refused requests whose id begins so: at most two, which is one too many.
    pub fn named_refusals(&self, prefix: &str) -> Result<Vec<JobId>, JournalError> {
        let question =
            "SELECT id FROM refusals WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2";
        let ids = self.text_column(question, prefix)?;
        Ok(ids.iter().filter_map(|id| JobId::from_hex(id)).collect())
    }

    /// How many decisions there are, about.
    pub fn decision_count(&self) -> Result<u64, JournalError> {
        let question = "SELECT coalesce(max(id) - min(id) + 1, 0) FROM decisions";
        self.conn.query_row(question, [], |row| row.get(0)).map(number).map_err(unreadable)
    }

    /// Which decisions have seals under this key; `None`: none.
    pub fn sealed(&self, safe: &Safe) -> Result<Option<Sealed>, JournalError> {
        let Some(key) = safe.seals() else { return Ok(None) };
        seal::sealed(&self.conn, key).map_err(unreadable)
    }

    /// Were all decisions from one number to another forgotten for a reason?
    pub fn is_forgotten(&self, safe: &Safe, first: u64, last: u64) -> Result<bool, JournalError> {
        let Some(key) = safe.seals() else { return Ok(false) };
        seal::is_forgotten(&self.conn, key, super::integer(first), super::integer(last))
            .map_err(unreadable)
    }
}

pub(super) fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    // Somebody changed what is no name: nothing is called so, and the seal is broken.
    let named = |column| row.get_ref(column)?.as_str().map_err(|_| unknown(column, "not a text"));
    let (output, fault): (Option<String>, Option<String>) = (row.get(9)?, row.get(10)?);
    let fault = fault
        .and_then(|fault| serde_json::from_value(serde_json::Value::String(fault)).ok())
        .unwrap_or(Fault::Nonsense);
    let (fuel, cpu): (Option<i64>, Option<i64>) = (row.get(11)?, row.get(12)?);
    Ok(Recorded {
        id: number(row.get(0)?),
        job: JobId::from_hex(named(1)?).unwrap_or(JobId::from_bytes([0; 32])),
        slot: row.get(2)?,
        name: row.get(3)?,
        version: row.get(4)?,
        digest: Digest::from_hex(named(5)?).unwrap_or(Digest::from_bytes([0; 32])),
        function: row.get(6)?,
        attempt: row.get(7)?,
        input: row.get(8)?,
        output: output.ok_or(fault),
        cost: fuel
            .map_or(Cost::CpuMicros(number(cpu.unwrap_or(0))), |fuel| Cost::Fuel(number(fuel))),
        micros: number(row.get(13)?),
        at: UnixTime::new(number(row.get(14)?)),
        generation: number(row.get(15)?),
        engine: row.get(16)?,
        text_gone_at: row.get::<_, Option<i64>>(18)?.map(|at| UnixTime::new(number(at))),
        seal: row.get(17)?,
    })
}

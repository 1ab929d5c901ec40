//! A recorded decision, complete with its texts and its MAC.

use crate::columns::{answer, cost, integer, invalid, number, time};
use crate::mac::MacInput;
use crate::text_cipher::TextCipher;
use pylon_core::guest::{Cost, Fault};
use pylon_core::{Digest, JobId, UnixTime};
use rusqlite::Row;

/// The columns that [`recorded`] reads, in its order.
pub(super) const COLUMNS: &str = "id, job_id, slot, name, version, digest, function, attempt, \
                                  input, output, fault, fuel, cpu_us, wall_us, decided_at, \
                                  revision, engine, mac, text_purged_at";

/// A question to a guest and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedDecision {
    /// Its number in the log; later decisions have larger ones.
    pub id: u64,
    /// The job or the refused request.
    pub job: JobId,
    /// `routing`, `pricing`, `handler` or `verification`.
    pub slot: String,
    /// The component's own name.
    pub name: String,
    /// The component's own version.
    pub version: String,
    /// Of the component.
    pub digest: Digest,
    /// `rank`, `quote`, `settle`, `judge` or `run`.
    pub function: String,
    /// The attempt; 0 before the first.
    pub attempt: u32,
    /// The arguments that are not part of the job's own row, as JSON.
    pub input: String,
    /// The answer as JSON, or the fault.
    pub output: Result<String, Fault>,
    /// What the call consumed.
    pub cost: Cost,
    /// Wall time.
    pub wall_us: u64,
    /// When the guest was called.
    pub at: UnixTime,
    /// The revision of the guest set.
    pub revision: u64,
    /// The version of the engine.
    pub engine: String,
    /// When the texts were replaced by digests.
    pub text_purged_at: Option<UnixTime>,
    pub(super) mac: Option<Vec<u8>>,
}

/// The result of checking a decision's MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacCheck {
    /// The row is unchanged.
    Valid,
    /// The row was changed, or its MAC was made with another key.
    Invalid,
    /// The row has no MAC.
    Missing,
}

impl RecordedDecision {
    /// Checks the row against its MAC.
    pub fn check_mac(&self, cipher: &TextCipher) -> MacCheck {
        match (&self.mac, cipher.mac_key()) {
            (Some(mac), Some(key)) if self.mac_input().mac(key) == **mac => MacCheck::Valid,
            (Some(_), _) => MacCheck::Invalid,
            (None, _) => MacCheck::Missing,
        }
    }

    pub(super) fn mac_input(&self) -> MacInput<'_> {
        MacInput {
            id: integer(self.id),
            job: self.job.as_bytes(),
            slot: &self.slot,
            name: &self.name,
            version: &self.version,
            digest: self.digest.as_bytes(),
            function: &self.function,
            attempt: self.attempt,
            input: &self.input,
            output: self.output.as_ref().ok().map(String::as_str),
            fault: self.output.as_ref().err().map(|fault| fault.as_str()),
            cost: self.cost,
            wall_us: integer(self.wall_us),
            at: integer(self.at.get()),
            revision: integer(self.revision),
            engine: &self.engine,
            text_purged_at: self.text_purged_at.map_or(0, |at| integer(at.get())),
        }
    }
}

pub(super) fn decision_of_row(row: &Row<'_>) -> rusqlite::Result<RecordedDecision> {
    // An id that was changed to an invalid one reads as zero: its MAC is invalid then.
    let text = |column| row.get_ref(column)?.as_str().map_err(|_| invalid(column, "not a text"));
    Ok(RecordedDecision {
        id: number(row.get(0)?),
        job: JobId::from_hex(text(1)?).unwrap_or(JobId::from_bytes([0; 32])),
        slot: row.get(2)?,
        name: row.get(3)?,
        version: row.get(4)?,
        digest: Digest::from_hex(text(5)?).unwrap_or(Digest::from_bytes([0; 32])),
        function: row.get(6)?,
        attempt: row.get(7)?,
        input: row.get(8)?,
        output: answer(row, 9, 10)?,
        cost: cost(row, 11)?,
        wall_us: number(row.get(13)?),
        at: UnixTime::new(number(row.get(14)?)),
        revision: number(row.get(15)?),
        engine: row.get(16)?,
        mac: row.get(17)?,
        text_purged_at: time(row, 18)?,
    })
}

//! The journal as its operator reads it, whether a node runs or not. Nothing is changed here, not even the schema.

use super::standbys::{self, Pair};
use super::{Safe, connection, installations, jobs, migrations, number, reads, unreadable};
use pylon_core::machine::{Execution, JobState};
use pylon_core::ports::guests::{Cost, Fault};
use pylon_core::ports::installations::{Audit, Installation, Standby};
use pylon_core::ports::journal::{Earnings, JournalError};
use pylon_core::{Digest, JobId, UnixTime};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How long a copy may wait for others that write.
const COPY_WAITS: u32 = 100;
const COPY_WAIT: Duration = Duration::from_millis(100);

/// The books, open.
pub struct Books {
    pub(super) conn: Connection,
}

/// What a guest was asked and answered, without the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
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
    /// Its answer as JSON, or the limit it broke.
    pub output: Result<String, Fault>,
    /// What it cost.
    pub cost: Cost,
    /// Wall time.
    pub micros: u64,
    /// When.
    pub at: UnixTime,
    /// Since when texts in question and answer are there by digest only.
    pub text_gone_at: Option<UnixTime>,
}

impl Books {
    /// Opens a journal that is there, if it has the schema that this program knows.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        if !path.exists() {
            return Err(JournalError::Unreadable(
                "there is no pylon.db: nothing was done here yet (`pylon init` or a start makes it)".into(),
            ));
        }
        let conn = connection::for_looking(path)?;
        let (found, known) = (
            migrations::check(&conn, migrations::STEPS).map_err(connection::explain)?,
            migrations::STEPS.len(),
        );
        if found < known {
            let what = format!(
                "pylon.db has schema {found}, and this pylon reads {known}: `pylon start` brings it up to date"
            );
            return Err(JournalError::Unreadable(what));
        }
        Ok(Self { conn })
    }

    /// What was earned; of the newest at most so many.
    pub fn earnings(&self, limit: usize) -> Result<Earnings, JournalError> {
        reads::earnings(&self.conn, limit).map_err(unreadable)
    }

    /// How many requests made since then were refused, by the code of the reason, counting no more than `limit` of either kind. Those that no
    /// guest was asked about are known for an hour.
    pub fn refusals(
        &self,
        since: UnixTime,
        limit: usize,
    ) -> Result<BTreeMap<String, u64>, JournalError> {
        reads::refused(&self.conn, since, limit).map_err(unreadable)
    }

    /// The jobs taken last, the newest first.
    pub fn jobs(
        &self,
        status: Option<Execution>,
        limit: usize,
    ) -> Result<Vec<JobState>, JournalError> {
        reads::newest(&self.conn, &Safe::default(), status, limit).map_err(unreadable)
    }

    /// The history of the slots, oldest first.
    pub fn installations(&self) -> Result<Vec<Installation>, JournalError> {
        installations::all(&self.conn).map_err(unreadable)
    }

    /// Who stands beside the slots.
    pub fn standbys(&self) -> Result<Vec<Standby>, JournalError> {
        standbys::all(&self.conn).map_err(unreadable)
    }

    /// What a shadow has said since then beside the active guest, to `each`, the newest first, at most `limit`.
    pub fn pairs(
        &self,
        slot: &str,
        digest: Digest,
        since: UnixTime,
        limit: usize,
        each: impl FnMut(Pair),
    ) -> Result<(), JournalError> {
        standbys::pairs(&self.conn, slot, digest, since, limit, each).map_err(unreadable)
    }

    /// What was done to slots or tried, newest first.
    pub fn audit(&self, limit: usize) -> Result<Vec<Audit>, JournalError> {
        installations::audited(&self.conn, limit).map_err(unreadable)
    }

    /// One job.
    pub fn job(&self, id: JobId) -> Result<Option<JobState>, JournalError> {
        reads::job(&self.conn, &Safe::default(), id).map_err(unreadable)
    }

    /// The jobs whose id begins so: at most two, which is one too many.
    pub fn named(&self, prefix: &str) -> Result<Vec<JobId>, JournalError> {
        let ids = self.text_column(
            "SELECT id FROM jobs WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2",
            prefix,
        )?;
        Ok(ids.iter().filter_map(|id| JobId::from_hex(id)).collect())
    }

    /// Why a request whose id begins so was not taken.
    pub fn refusal(&self, prefix: &str) -> Result<Option<String>, JournalError> {
        let question = "SELECT error_message FROM refusals WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 1";
        Ok(self.text_column(question, prefix)?.pop())
    }

    /// What the guests said of a job, in order.
    pub fn decisions(&self, id: JobId) -> Result<Vec<Decision>, JournalError> {
        let question = "SELECT slot, name, version, digest, function, attempt, output, fault, fuel, cpu_micros, micros, decided_at, text_gone_at \
                        FROM decisions WHERE job_id = ?1 ORDER BY id";
        let read = || {
            self.conn
                .prepare(question)?
                .query_map([id.to_hex()], decision)?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(unreadable)
    }

    /// Copies everything into a file that is there and empty, while a node may write on. What the copy holds is one moment's.
    pub fn copy_to(&self, file: &Path) -> Result<(), JournalError> {
        let copy = || {
            let mut to = Connection::open(file)?;
            let backup = Backup::new(&self.conn, &mut to)?;
            for _ in 0..COPY_WAITS {
                match backup.step(-1)? {
                    StepResult::Done => return Ok(true),
                    _ => std::thread::sleep(COPY_WAIT),
                }
            }
            Ok(false)
        };
        match copy() {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(JournalError::Unwritable("somebody else holds pylon.db: try again".into()))
            }
            Err(why) => Err(super::unwritable(why)),
        }
    }

    pub(super) fn text_column(
        &self,
        question: &str,
        prefix: &str,
    ) -> Result<Vec<String>, JournalError> {
        let read = || {
            self.conn
                .prepare(question)?
                .query_map([prefix], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(unreadable)
    }

    /// How many jobs were ever taken.
    pub fn job_count(&self) -> Result<u64, JournalError> {
        self.conn
            .query_row("SELECT count(*) FROM jobs", [], |row| row.get(0))
            .map(number)
            .map_err(unreadable)
    }
}

/// A word of the journal; one that means nothing is as an answer that means nothing.
pub(super) fn fault_of(word: Option<String>) -> Fault {
    word.and_then(|word| serde_json::from_value(serde_json::Value::String(word)).ok())
        .unwrap_or(Fault::Nonsense)
}

fn decision(row: &Row<'_>) -> rusqlite::Result<Decision> {
    let output: Option<String> = row.get(6)?;
    let fault: Option<String> = row.get(7)?;
    let fault = fault_of(fault);
    let fuel: Option<i64> = row.get(8)?;
    let cpu: Option<i64> = row.get(9)?;
    Ok(Decision {
        slot: row.get(0)?,
        name: row.get(1)?,
        version: row.get(2)?,
        digest: Digest::from_hex(row.get_ref(3)?.as_str()?)
            .ok_or_else(|| jobs::unknown(3, "not a digest"))?,
        function: row.get(4)?,
        attempt: row.get(5)?,
        output: output.ok_or(fault),
        cost: fuel
            .map_or(Cost::CpuMicros(number(cpu.unwrap_or(0))), |fuel| Cost::Fuel(number(fuel))),
        micros: number(row.get(10)?),
        at: UnixTime::new(number(row.get(11)?)),
        text_gone_at: row.get::<_, Option<i64>>(12)?.map(|at| UnixTime::new(number(at))),
    })
}

//! Read-only access for the operator, whether a node is running or not. Nothing is changed, not
//! even the schema.

use crate::columns::{answer, cost, hex_id, number, time};
use crate::error::{unreadable, unwritable};
use crate::pending_guests::{self, AnswerPair};
use crate::readable::UnreadableRow;
use crate::text_cipher::TextCipher;
use crate::{connection, migrations, queries, slot_changes};
use pylon_core::earnings::Earnings;
use pylon_core::guest::{Cost, Fault};
use pylon_core::installation::{Audit, Installation, PendingGuest};
use pylon_core::machine::{Execution, JobState};
use pylon_core::message::RelayRefusal;
use pylon_core::ports::journal::JournalError;
use pylon_core::work::Route;
use pylon_core::{Digest, JobId, UnixTime};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Attempts at a copy while another process writes, and the pause between two of them.
const COPY_ATTEMPTS_MAX: u32 = 100;
const COPY_PAUSE: Duration = Duration::from_millis(100);

/// A journal opened for reading.
pub struct ReadOnlyJournal {
    pub(super) conn: Connection,
}

/// A decision without its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
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
    /// Of a quote: the route that it is for.
    pub route: Option<Route>,
    /// The answer as JSON, or the fault.
    pub output: Result<String, Fault>,
    /// What the call consumed.
    pub cost: Cost,
    /// Wall time.
    pub wall_us: u64,
    /// When the guest was called.
    pub at: UnixTime,
    /// When texts in question and answer were replaced by digests.
    pub text_purged_at: Option<UnixTime>,
}

impl ReadOnlyJournal {
    /// Opens an existing journal, if its schema is the one that this program knows.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        if !path.exists() {
            return Err(JournalError::Unreadable(
                "there is no pylon.db yet: create it with `pylon init` or `pylon start`".into(),
            ));
        }
        let conn = connection::for_inspection(path)?;
        let (found, known) = (
            migrations::check(&conn, migrations::STEPS).map_err(connection::explain)?,
            migrations::STEPS.len(),
        );
        if found < known {
            let what = format!(
                "pylon.db has schema {found}, and this pylon reads {known}: \
                 update it with `pylon start`"
            );
            return Err(JournalError::Unreadable(what));
        }
        Ok(Self { conn })
    }

    /// The earnings, with at most `limit` of the newest payments.
    pub fn earnings(&self, limit: usize) -> Result<Earnings, JournalError> {
        queries::earnings(&self.conn, limit).map_err(unreadable)
    }

    /// The number of requests made since then that were refused, by the code of the reason. Counts
    /// at most `limit` that guests decided about, and at most `limit` others; the latter are kept
    /// for an hour.
    pub fn refusals(
        &self,
        since: UnixTime,
        limit: usize,
    ) -> Result<BTreeMap<String, u64>, JournalError> {
        queries::refused(&self.conn, since, limit).map_err(unreadable)
    }

    /// The relays that refused a message about this job, each with its last refusal and its time.
    pub fn relay_refusals(&self, id: JobId) -> Result<Vec<(RelayRefusal, UnixTime)>, JournalError> {
        queries::relay_refusals(&self.conn, id).map_err(unreadable)
    }

    /// The newest jobs, the newest first, without those that cannot be read.
    pub fn jobs(
        &self,
        status: Option<Execution>,
        limit: usize,
    ) -> Result<Vec<JobState>, JournalError> {
        let found = queries::newest(&self.conn, &TextCipher::default(), status, limit);
        Ok(found.map_err(unreadable)?.rows)
    }

    /// Rows of unfinished jobs and of unsent messages that cannot be read: a node leaves them out.
    pub fn unreadable_rows(&self) -> Result<Vec<UnreadableRow>, JournalError> {
        queries::unreadable_rows(&self.conn).map_err(unreadable)
    }

    /// Jobs since then that ended because one of their tasks panicked, the newest first.
    pub fn panicked_jobs(&self, since: UnixTime) -> Result<Vec<JobId>, JournalError> {
        queries::panicked(&self.conn, since).map_err(unreadable)
    }

    /// The history of the slots, oldest first.
    pub fn installations(&self) -> Result<Vec<Installation>, JournalError> {
        slot_changes::all(&self.conn).map_err(unreadable)
    }

    /// The guests next to the slots.
    pub fn pending_guests(&self) -> Result<Vec<PendingGuest>, JournalError> {
        pending_guests::all(&self.conn).map_err(unreadable)
    }

    /// Passes to `each` the answers of a shadow guest since then with those of the active guest,
    /// the newest first, at most `limit`.
    pub fn pairs(
        &self,
        slot: &str,
        digest: Digest,
        since: UnixTime,
        limit: usize,
        each: impl FnMut(AnswerPair),
    ) -> Result<(), JournalError> {
        pending_guests::pairs(&self.conn, slot, digest, since, limit, each).map_err(unreadable)
    }

    /// The audit log of the slots, newest first.
    pub fn audit(&self, limit: usize) -> Result<Vec<Audit>, JournalError> {
        slot_changes::audit_log(&self.conn, limit).map_err(unreadable)
    }

    /// One job.
    pub fn job(&self, id: JobId) -> Result<Option<JobState>, JournalError> {
        queries::job(&self.conn, &TextCipher::default(), id).map_err(unreadable)
    }

    /// At most two jobs whose ids begin with `prefix`: with two it is ambiguous.
    pub fn jobs_by_prefix(&self, prefix: &str) -> Result<Vec<JobId>, JournalError> {
        let ids = self.text_column(
            "SELECT id FROM jobs WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2",
            prefix,
        )?;
        Ok(ids.iter().filter_map(|id| JobId::from_hex(id)).collect())
    }

    /// The reason why a request whose id begins with `prefix` was refused.
    pub fn refusal(&self, prefix: &str) -> Result<Option<String>, JournalError> {
        let query = "SELECT error_message FROM refusals \
                     WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 1";
        Ok(self.text_column(query, prefix)?.pop())
    }

    /// The decisions about a job, in order.
    pub fn decisions(&self, id: JobId) -> Result<Vec<Decision>, JournalError> {
        let query = "SELECT slot, name, version, digest, function, attempt, output, fault, fuel, \
                            cpu_us, wall_us, decided_at, text_purged_at, \
                            CASE WHEN function = 'quote' AND json_valid(input) \
                                 THEN input ->> '$[0].route' END \
                     FROM decisions WHERE job_id = ?1 ORDER BY id";
        let read = || {
            self.conn
                .prepare(query)?
                .query_map([id.to_hex()], decision)?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(unreadable)
    }

    /// What backends reported about their errors in a job, in order. Deleted with its texts.
    pub fn backend_errors(&self, id: JobId) -> Result<Vec<String>, JournalError> {
        let query = "SELECT error.value FROM decisions, \
                     json_each(iif(json_valid(input), input, 'null'), '$.backend_errors') AS error \
                     WHERE job_id = ?1 AND function = 'run' ORDER BY decisions.id, error.key";
        self.text_column(query, &id.to_hex())
    }

    /// Copies everything into an existing empty file, also while a node is writing. The copy is a
    /// consistent snapshot.
    pub fn copy_to(&self, file: &Path) -> Result<(), JournalError> {
        let copy = || {
            let mut to = Connection::open(file)?;
            let backup = Backup::new(&self.conn, &mut to)?;
            for _ in 0..COPY_ATTEMPTS_MAX {
                match backup.step(-1)? {
                    StepResult::Done => return Ok(true),
                    _ => std::thread::sleep(COPY_PAUSE),
                }
            }
            Ok(false)
        };
        match copy() {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(JournalError::Unwritable("another process holds pylon.db: try again".into()))
            }
            Err(error) => Err(unwritable(error)),
        }
    }

    pub(super) fn text_column(
        &self,
        query: &str,
        prefix: &str,
    ) -> Result<Vec<String>, JournalError> {
        let read = || {
            self.conn
                .prepare(query)?
                .query_map([prefix], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()
        };
        read().map_err(unreadable)
    }

    /// The number of jobs.
    pub fn job_count(&self) -> Result<u64, JournalError> {
        self.conn
            .query_row("SELECT count(*) FROM jobs", [], |row| row.get(0))
            .map(number)
            .map_err(unreadable)
    }
}

fn decision(row: &Row<'_>) -> rusqlite::Result<Decision> {
    Ok(Decision {
        slot: row.get(0)?,
        name: row.get(1)?,
        version: row.get(2)?,
        digest: hex_id(row, 3, Digest::from_hex)?,
        function: row.get(4)?,
        attempt: row.get(5)?,
        output: answer(row, 6, 7)?,
        cost: cost(row, 8)?,
        wall_us: number(row.get(10)?),
        at: UnixTime::new(number(row.get(11)?)),
        text_purged_at: time(row, 12)?,
        // A modified row is for `verify-log`.
        route: row.get::<_, Option<String>>(13)?.and_then(|json| serde_json::from_str(&json).ok()),
    })
}

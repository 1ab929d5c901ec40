//! The journal in SQLite: one writer thread that commits in groups, and readers that never scan.
//!
//! `connection` opens, `migrations` shapes, `writer` commits, `rows` and `jobs` write, `tallies` sums, `reads` answers, `standbys` are those
//! beside the slots, `safe` seals what is confidential and `seal` what was decided, `decisions` reads that to ask again, `request` keeps no text
//! twice, `retention` lets texts go; `books` is all of it for an operator who only looks.
//! What a row means is decided in the core; nothing here decides about a job.

mod books;
mod connection;
mod decisions;
mod installations;
mod jobs;
mod migrations;
mod reads;
mod request;
mod retention;
mod rows;
mod safe;
mod seal;
mod standbys;
mod tallies;
#[cfg(test)]
mod tests;
mod writer;

pub use books::{Books, Decision};
pub use decisions::{Page, Recorded, Seal};
pub use retention::Retention;
pub use safe::Safe;
pub use seal::Sealed;
pub use standbys::Pair;

use async_trait::async_trait;
use pylon_core::decision::History;
use pylon_core::machine::JobState;
use pylon_core::ports::installations::{Audit, Installation, Installations, Standby};
use pylon_core::ports::journal::{Earnings, Journal, JournalError, OpenInvoice, OutboxRow, Row};
use pylon_core::ports::market::GuestStamp;
use pylon_core::{JobId, PaymentHash, PublicKey, UnixTime};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The journal in one SQLite file. Dropping it finishes what was accepted and closes the file.
pub struct SqliteJournal {
    writer: writer::Writer,
    reader: Mutex<Connection>,
    safe: Safe,
    held: retention::Held,
}

impl SqliteJournal {
    /// Opens the file without a key: the text of confidential jobs is neither kept nor read, all else is. See [`SqliteJournal::open_with`].
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::open_with(path, Safe::default())
    }

    /// Opens the file, making it (0600) or bringing its schema up to date if need be. The folder must exist.
    pub fn open_with(path: &Path, safe: Safe) -> Result<Self, JournalError> {
        let writer = connection::for_writing(path)?;
        let reader = connection::for_reading(path)?;
        Self::over(writer, reader, safe)
    }

    fn over(writer: Connection, reader: Connection, safe: Safe) -> Result<Self, JournalError> {
        let held = retention::Held::for_good();
        let writer = writer::Writer::start(writer, safe.clone(), held.clone())?;
        Ok(Self { writer, reader: Mutex::new(reader), safe, held })
    }

    /// Keeps the texts of finished jobs no longer than this from now on. Until it is said, they are kept for good.
    pub fn keep(&self, retention: Retention) {
        self.held.set(retention);
    }

    /// Lets go of what was kept long enough, as every commit does. For a node that has nothing to write.
    pub async fn tidy(&self) -> Result<(), JournalError> {
        self.writer.tidy().await
    }

    /// How many requests made since then were refused, by the code of the reason, counting no more than `limit` of either kind. Those that no
    /// guest was asked about are known for an hour.
    pub fn refusals(
        &self,
        since: UnixTime,
        limit: usize,
    ) -> Result<BTreeMap<String, u64>, JournalError> {
        self.read(|conn| reads::refused(conn, since, limit))
    }

    /// Reads take microseconds, so they run where they are asked; a reader that panicked left nothing behind.
    fn read<T>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        question(&reader).map_err(unreadable)
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn commit(&self, rows: Arc<[Row]>) -> Result<(), JournalError> {
        self.writer.commit(rows).await
    }

    fn knows(&self, id: JobId) -> Result<bool, JournalError> {
        self.read(|conn| reads::knows(conn, id))
    }

    fn job(&self, id: JobId) -> Result<Option<JobState>, JournalError> {
        self.read(|conn| reads::job(conn, &self.safe, id))
    }

    fn customer_of_open(&self, id: JobId) -> Result<Option<PublicKey>, JournalError> {
        self.read(|conn| reads::customer_of_open(conn, id))
    }

    fn guests_of(&self, id: JobId) -> Result<Vec<GuestStamp>, JournalError> {
        self.read(|conn| reads::guests_of(conn, id))
    }

    fn job_of_payment(&self, hash: PaymentHash) -> Result<Option<JobId>, JournalError> {
        self.read(|conn| reads::job_of_payment(conn, hash))
    }

    fn unfinished(&self) -> Result<Vec<JobState>, JournalError> {
        self.read(|conn| reads::unfinished(conn, &self.safe))
    }

    fn open_invoices(&self) -> Result<Vec<OpenInvoice>, JournalError> {
        self.read(reads::open_invoices)
    }

    fn unsent(&self, results: bool, limit: usize) -> Result<Vec<OutboxRow>, JournalError> {
        self.read(|conn| reads::unsent(conn, results, limit))
    }

    fn customer_history(
        &self,
        customer: PublicKey,
        now: UnixTime,
    ) -> Result<History, JournalError> {
        self.read(|conn| tallies::history(conn, tallies::Scope::Customer, &customer.to_hex(), now))
    }

    fn kind_history(&self, kind: u16, now: UnixTime) -> Result<History, JournalError> {
        self.read(|conn| tallies::history(conn, tallies::Scope::Kind, &kind.to_string(), now))
    }

    fn digest(&self, job: JobId, text: &str) -> String {
        self.safe.digest(job, text)
    }

    fn earnings(&self, limit: usize) -> Result<Earnings, JournalError> {
        self.read(|conn| reads::earnings(conn, limit))
    }
}

impl Installations for SqliteJournal {
    fn installations(&self) -> Result<Vec<Installation>, JournalError> {
        self.read(installations::all)
    }

    fn standbys(&self) -> Result<Vec<Standby>, JournalError> {
        self.read(standbys::all)
    }

    fn audit(&self, limit: usize) -> Result<Vec<Audit>, JournalError> {
        self.read(|conn| installations::audited(conn, limit))
    }
}

fn unreadable(why: rusqlite::Error) -> JournalError {
    JournalError::Unreadable(words(&why))
}

fn unwritable(why: rusqlite::Error) -> JournalError {
    JournalError::Unwritable(words(&why))
}

/// What SQLite says, in one line: rusqlite would add the whole statement.
fn words(why: &rusqlite::Error) -> String {
    match why {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// SQLite counts to 2^63 - 1, which is more than there is of time or money; what claims to be more is held there.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Back again; nothing negative was ever written.
fn number(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}

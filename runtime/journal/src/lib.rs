//! The journal in SQLite: one writer thread that commits in groups, and queries that use an index.
//!
//! Below are types and columns: `error`, `columns`, `readable`, `mac`, `text_cipher`,
//! `request_column`, `decisions`. Then tables: `jobs`, `totals`, `slot_changes`, `pending_guests`,
//! `decision_log`, with `redaction` for the texts in decisions. Above them `queries`, `retention`,
//! `row_writes` and `writer`. At the top are this file and `read_only`. Each file imports only from
//! those below it.
//!
//! The core decides what a row means; this crate decides nothing about a job.

mod columns;
mod config;
mod connection;
mod decision_log;
mod decision_queries;
mod decisions;
mod error;
mod jobs;
mod mac;
mod migrations;
mod pending_guests;
mod queries;
mod read_only;
mod readable;
mod redaction;
mod request_column;
mod retention;
mod row_writes;
mod slot_changes;
#[cfg(test)]
mod tests;
mod text_cipher;
mod totals;
mod writer;

pub use config::Config;
pub use decision_log::LogHead;
pub use decision_queries::Page;
pub use decisions::{MacCheck, RecordedDecision};
pub use pending_guests::AnswerPair;
pub use read_only::{Decision, ReadOnlyJournal};
pub use readable::UnreadableRow;
pub use retention::Retention;
pub use text_cipher::TextCipher;

use async_trait::async_trait;
use error::unreadable;
use pylon_core::decision::History;
use pylon_core::earnings::Earnings;
use pylon_core::guest::GuestRef;
use pylon_core::installation::{Audit, Installation, PendingGuest};
use pylon_core::machine::JobState;
use pylon_core::ports::installations::Installations;
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::recent::RecentSet;
use pylon_core::rows::{OpenInvoice, OutboxRow, Row, UnfinishedJob};
use pylon_core::sync::lock;
use pylon_core::{JobId, PaymentHash, PublicKey, UnixTime};
use readable::Readable;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The journal in one SQLite file. Dropping it writes all queued batches and closes the file.
pub struct SqliteJournal {
    writer: writer::Writer,
    reader: Mutex<Connection>,
    cipher: TextCipher,
    retention: retention::SharedRetention,
    /// Unreadable rows that are in the log already.
    reported: Mutex<RecentSet<(&'static str, i64)>>,
}

/// Unreadable rows that are logged once; if there are more, some are logged again.
const REPORTED_MAX: usize = 1024;

impl SqliteJournal {
    /// Opens the file without a key: the text of confidential jobs is neither stored nor read. See
    /// [`SqliteJournal::open_with`].
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::open_with(path, TextCipher::default())
    }

    /// Opens the file, creates it (with mode 0600) if it is missing, and updates its schema. The
    /// folder must exist.
    pub fn open_with(path: &Path, cipher: TextCipher) -> Result<Self, JournalError> {
        let writer = connection::for_writing(path)?;
        let reader = connection::for_reading(path)?;
        Self::over(writer, reader, cipher)
    }

    fn over(
        writer: Connection,
        reader: Connection,
        cipher: TextCipher,
    ) -> Result<Self, JournalError> {
        let retention = retention::SharedRetention::unlimited();
        let writer = writer::Writer::start(writer, cipher.clone(), retention.clone())?;
        let reported = Mutex::new(RecentSet::new(REPORTED_MAX));
        Ok(Self { writer, reader: Mutex::new(reader), cipher, retention, reported })
    }

    /// Sets how long the texts of finished jobs are kept. By default they are kept permanently.
    pub fn set_retention(&self, retention: Retention) {
        self.retention.set(retention);
    }

    /// Purges texts that are due, as every commit does. For a node that has nothing to write.
    pub async fn purge(&self) -> Result<(), JournalError> {
        self.writer.purge().await
    }

    /// The number of requests made since then that were refused, by the code of the reason. Counts
    /// at most `limit` that guests decided about, and at most `limit` others; the latter are kept
    /// for an hour.
    pub fn refusals(
        &self,
        since: UnixTime,
        limit: usize,
    ) -> Result<BTreeMap<String, u64>, JournalError> {
        self.read(|conn| queries::refused(conn, since, limit))
    }

    /// Logs each unreadable row once, and returns the others.
    fn readable<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<Readable<T>>,
    ) -> Result<Vec<T>, JournalError> {
        let Readable { rows, unreadable } = self.read(query)?;
        for row in unreadable {
            if lock(&self.reported).remember((row.table, row.number)) {
                tracing::error!("left out: {row}; repair it or restore a backup");
            }
        }
        Ok(rows)
    }

    /// Queries take microseconds, so they run on the caller's thread. A reader that panicked leaves
    /// no state behind.
    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let reader = lock(&self.reader);
        query(&reader).map_err(unreadable)
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn commit(&self, rows: Arc<[Row]>) -> Result<(), JournalError> {
        self.writer.commit(rows).await
    }

    fn knows(&self, id: JobId) -> Result<bool, JournalError> {
        self.read(|conn| queries::knows(conn, id))
    }

    fn job(&self, id: JobId) -> Result<Option<JobState>, JournalError> {
        self.read(|conn| queries::job(conn, &self.cipher, id))
    }

    fn customer_of_open(&self, id: JobId) -> Result<Option<PublicKey>, JournalError> {
        self.read(|conn| queries::customer_of_open(conn, id))
    }

    fn guests_of(&self, id: JobId) -> Result<Vec<GuestRef>, JournalError> {
        self.read(|conn| queries::guests_of(conn, id))
    }

    fn job_of_payment(&self, hash: PaymentHash) -> Result<Option<JobId>, JournalError> {
        self.read(|conn| queries::job_of_payment(conn, hash))
    }

    fn unfinished(&self) -> Result<Vec<UnfinishedJob>, JournalError> {
        self.readable(queries::unfinished)
    }

    fn open_invoices(&self) -> Result<Vec<OpenInvoice>, JournalError> {
        self.readable(queries::open_invoices)
    }

    fn unsent(&self, results: bool, limit: usize) -> Result<Vec<OutboxRow>, JournalError> {
        self.readable(|conn| queries::unsent(conn, results, limit))
    }

    fn customer_history(
        &self,
        customer: PublicKey,
        now: UnixTime,
    ) -> Result<History, JournalError> {
        self.read(|conn| totals::history(conn, totals::Scope::Customer, &customer.to_hex(), now))
    }

    fn kind_history(&self, kind: u16, now: UnixTime) -> Result<History, JournalError> {
        self.read(|conn| totals::history(conn, totals::Scope::Kind, &kind.to_string(), now))
    }

    fn digest(&self, job: JobId, text: &str) -> String {
        self.cipher.digest(job, text)
    }

    fn earnings(&self, limit: usize) -> Result<Earnings, JournalError> {
        self.read(|conn| queries::earnings(conn, limit))
    }
}

impl Installations for SqliteJournal {
    fn installations(&self) -> Result<Vec<Installation>, JournalError> {
        self.read(slot_changes::all)
    }

    fn pending_guests(&self) -> Result<Vec<PendingGuest>, JournalError> {
        self.read(pending_guests::all)
    }

    fn audit(&self, limit: usize) -> Result<Vec<Audit>, JournalError> {
        self.read(|conn| slot_changes::audit_log(conn, limit))
    }
}

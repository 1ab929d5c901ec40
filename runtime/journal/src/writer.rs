//! One thread owns the writing connection. It takes the waiting batches, up to a limit, and commits
//! them with one sync of the disk (group commit). Each batch succeeds or fails alone until that
//! commit, which succeeds or fails for all. Old texts are purged between two commits.

use crate::error::{CommitError, unwritable};
use crate::retention::{self, SharedRetention};
use crate::row_writes::{self, WriterCache};
use crate::text_cipher::TextCipher;
use pylon_core::UnixTime;
use pylon_core::ports::journal::JournalError;
use pylon_core::rows::Row;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// Batches in the queue; further callers wait.
const QUEUE_MAX: usize = 1024;
/// Batches of one commit: the first of them waits for the last.
const GROUP_MAX: usize = 256;

type Answer = Result<(), JournalError>;

struct Batch {
    rows: Arc<[Row]>,
    answer: oneshot::Sender<Answer>,
}

pub(super) struct Writer {
    /// `None` only while dropping.
    queue: Option<mpsc::Sender<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        conn: Connection,
        cipher: TextCipher,
        retention: SharedRetention,
    ) -> Result<Self, JournalError> {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || write(&WriterState { conn, cipher, retention }, waiting))
            .map_err(|error| JournalError::Unwritable(error.to_string()))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Once queued, a batch is written even if its caller no longer waits.
    pub(super) async fn commit(&self, rows: Arc<[Row]>) -> Answer {
        if rows.is_empty() {
            return Ok(());
        }
        self.enqueue(rows).await
    }

    /// Starts a purge of texts that are due: the writer purges after every commit, and this commit
    /// is empty.
    pub(super) async fn purge(&self) -> Answer {
        self.enqueue(Arc::new([])).await
    }

    async fn enqueue(&self, rows: Arc<[Row]>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Batch { rows, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The thread ends once the closed queue is empty.
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn stopped() -> JournalError {
    JournalError::Unwritable("its writer has stopped".into())
}

/// The state of the thread.
struct WriterState {
    conn: Connection,
    cipher: TextCipher,
    retention: SharedRetention,
}

fn write(state: &WriterState, mut waiting: mpsc::Receiver<Batch>) {
    let mut cache = WriterCache::default();
    let mut group = Vec::with_capacity(GROUP_MAX);
    while waiting.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        let answers = commit_guarded(state, &group, &mut cache);
        for (batch, answer) in group.drain(..).zip(answers) {
            // The caller may no longer wait.
            let _ = batch.answer.send(answer);
        }
        // One purge after each commit, further ones only while no batch waits.
        while purge_guarded(state) && waiting.is_empty() {}
    }
}

/// A purge that panics ends, and the next commit repeats it.
fn purge_guarded(state: &WriterState) -> bool {
    catch_unwind(AssertUnwindSafe(|| purge(state))).unwrap_or_else(|_| {
        if !state.conn.is_autocommit() {
            // If this fails, the next BEGIN reports it.
            let _ = run(&state.conn, "ROLLBACK");
        }
        false
    })
}

/// Purges some texts and frees some pages. Returns whether there may be more.
fn purge(WriterState { conn, cipher, retention }: &WriterState) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let purged = retention::purge(conn, cipher, retention, UnixTime::new(now));
    purged.and_then(|more| Ok(retention::shrink(conn)? || more)).unwrap_or_else(|error| {
        retention::log_failure(&error);
        false
    })
}

/// Commits a group. If that panics, each of its batches is committed alone, so that only the one
/// that panics fails.
fn commit_guarded(state: &WriterState, group: &[Batch], cache: &mut WriterCache) -> Vec<Answer> {
    if let Ok(answers) = catch_unwind(AssertUnwindSafe(|| commit_group(state, group, cache))) {
        return answers;
    }
    discard(&state.conn, cache);
    match group {
        [_] => vec![Err(JournalError::Contradicts("writing it panicked: see the log".into()))],
        _ => group.chunks(1).flat_map(|alone| commit_guarded(state, alone, cache)).collect(),
    }
}

/// One answer for each batch, in order.
fn commit_group(state: &WriterState, group: &[Batch], cache: &mut WriterCache) -> Vec<Answer> {
    let done = transaction(state, group, cache);
    if !done.as_ref().is_ok_and(|answers| answers.iter().any(Result::is_ok)) {
        discard(&state.conn, cache);
    }
    done.unwrap_or_else(|error| {
        tracing::error!(%error, batches = group.len(), "commit failed");
        group.iter().map(|_| Err(copy_of(&error))).collect()
    })
}

/// Writes a group, and commits it unless all of its batches failed.
fn transaction(
    state: &WriterState,
    group: &[Batch],
    cache: &mut WriterCache,
) -> Result<Vec<Answer>, JournalError> {
    let conn = &state.conn;
    run(conn, "BEGIN IMMEDIATE").map_err(unwritable)?;
    let mut answers = Vec::with_capacity(group.len());
    // A single batch needs no savepoint.
    let alone = group.len() == 1;
    for batch in group {
        answers.push(if alone {
            apply(state, batch, cache)
        } else {
            apply_in_savepoint(state, batch, cache)?
        });
    }
    if answers.iter().any(Result::is_ok) {
        if let (Some(sequence), Some(key)) = (&mut cache.sequence, state.cipher.mac_key()) {
            sequence.write(conn, key).map_err(unwritable)?;
        }
        run(conn, "COMMIT").map_err(unwritable)?;
    }
    Ok(answers)
}

/// Forgets a transaction that was not committed, in the file and in memory. After some errors, such
/// as a full disk, SQLite has rolled back by itself.
fn discard(conn: &Connection, cache: &mut WriterCache) {
    *cache = WriterCache::default();
    if !conn.is_autocommit() {
        // If this fails too, the next BEGIN reports it.
        let _ = run(conn, "ROLLBACK");
    }
}

/// The outer error fails the whole transaction.
fn apply_in_savepoint(
    state: &WriterState,
    batch: &Batch,
    cache: &mut WriterCache,
) -> Result<Answer, JournalError> {
    let conn = &state.conn;
    run(conn, "SAVEPOINT batch").map_err(unwritable)?;
    let before = *cache;
    let answer = apply(state, batch, cache);
    if let Err(error) = &answer {
        *cache = before;
        // A full disk may have rolled the transaction back. Then this fails, and so do all batches.
        run(conn, "ROLLBACK TO batch").map_err(|_| copy_of(error))?;
    }
    run(conn, "RELEASE batch").map_err(unwritable)?;
    Ok(answer)
}

/// The same error for another caller.
fn copy_of(error: &JournalError) -> JournalError {
    match error {
        JournalError::Unwritable(cause) => JournalError::Unwritable(cause.clone()),
        other => JournalError::Unwritable(other.to_string()),
    }
}

fn apply(state: &WriterState, batch: &Batch, cache: &mut WriterCache) -> Answer {
    let written: Result<(), CommitError> = batch
        .rows
        .iter()
        .try_for_each(|row| row_writes::write(&state.conn, &state.cipher, row, cache));
    written.map_err(JournalError::from)
}

fn run(conn: &Connection, statement: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(statement)?.execute([]).map(drop)
}

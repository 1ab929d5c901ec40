//! One thread owns the writing connection. It takes the batches that wait, up to a bound, and commits them with one sync of the disk.
//! Each batch stands or falls alone until that commit, which stands or falls for all. What need not be kept goes between two commits.

use super::retention::{self, Held};
use super::rows::{self, Halt, Memory};
use super::{Safe, unwritable};
use pylon_core::UnixTime;
use pylon_core::ports::journal::{JournalError, Row};
use rusqlite::Connection;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// Batches that wait before callers do.
const QUEUE: usize = 1024;
/// Batches of one commit at most: the first of them waits for the last.
const GROUP: usize = 256;

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
    pub(super) fn start(conn: Connection, safe: Safe, held: Held) -> Result<Self, JournalError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || write(&Desk { conn, safe, held }, waiting))
            .map_err(|why| JournalError::Unwritable(why.to_string()))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Once accepted, a batch is written even if the caller no longer waits.
    pub(super) async fn commit(&self, rows: Arc<[Row]>) -> Answer {
        if rows.is_empty() {
            return Ok(());
        }
        self.hand_in(rows).await
    }

    /// Returns when texts that have been kept long enough are going: the writer sees to that after every commit, and this is one of nothing.
    pub(super) async fn tidy(&self) -> Answer {
        self.hand_in(Arc::new([])).await
    }

    async fn hand_in(&self, rows: Arc<[Row]>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Batch { rows, answer }).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A closed queue ends the thread once it is empty.
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn stopped() -> JournalError {
    JournalError::Unwritable("its writer has stopped".into())
}

/// What the thread works with.
struct Desk {
    conn: Connection,
    safe: Safe,
    held: Held,
}

fn write(desk: &Desk, mut waiting: mpsc::Receiver<Batch>) {
    let mut memory = Memory::default();
    let mut group = Vec::with_capacity(GROUP);
    while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
        let answers = commit_group(desk, &group, &mut memory);
        for (batch, answer) in group.drain(..).zip(answers) {
            // A caller that has gone needs no answer.
            let _ = batch.answer.send(answer);
        }
        // One batch after each commit, and more only while nobody waits.
        while tidy(desk) && waiting.is_empty() {}
    }
}

/// Lets go of some texts and some room. Is there more to do?
fn tidy(Desk { conn, safe, held }: &Desk) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let purged = retention::purge(conn, safe, held, UnixTime::new(now));
    purged.and_then(|more| Ok(retention::shrink(conn)? || more)).unwrap_or_else(|why| {
        retention::complain(&why);
        false
    })
}

/// One answer for each batch, in order.
fn commit_group(desk: &Desk, group: &[Batch], memory: &mut Memory) -> Vec<Answer> {
    let conn = &desk.conn;
    let mut answers = Vec::with_capacity(group.len());
    let done = run(conn, "BEGIN IMMEDIATE").map_err(unwritable).and_then(|()| {
        // Alone, a batch needs no savepoint: the transaction is one.
        let alone = group.len() == 1;
        for batch in group {
            answers.push(if alone {
                apply(desk, batch, memory)
            } else {
                apply_apart(desk, batch, memory)?
            });
        }
        if answers.iter().all(Result::is_err) {
            return Ok(());
        }
        if let (Some(numbers), Some(key)) = (&mut memory.numbers, desk.safe.seals()) {
            numbers.write(conn, key).map_err(unwritable)?;
        }
        run(conn, "COMMIT").map_err(unwritable)
    });
    if !conn.is_autocommit() {
        // Nothing to keep, or a commit that failed; should this fail too, the next BEGIN says so.
        memory.numbers = None;
        let _ = run(conn, "ROLLBACK");
    }
    match done {
        Ok(()) => answers,
        Err(why) => {
            tracing::error!(%why, batches = group.len(), "nothing of this commit is written");
            group.iter().map(|_| Err(again(&why))).collect()
        }
    }
}

/// The outer error is that of the whole transaction.
fn apply_apart(desk: &Desk, batch: &Batch, memory: &mut Memory) -> Result<Answer, JournalError> {
    let conn = &desk.conn;
    run(conn, "SAVEPOINT batch").map_err(unwritable)?;
    let numbers = memory.numbers;
    let answer = apply(desk, batch, memory);
    if let Err(why) = &answer {
        memory.numbers = numbers;
        // A full disk may have ended the transaction already; then this fails, and all batches with it for that reason.
        run(conn, "ROLLBACK TO batch").map_err(|_| again(why))?;
    }
    run(conn, "RELEASE batch").map_err(unwritable)?;
    Ok(answer)
}

/// The same for another caller.
fn again(why: &JournalError) -> JournalError {
    match why {
        JournalError::Unwritable(cause) => JournalError::Unwritable(cause.clone()),
        other => JournalError::Unwritable(other.to_string()),
    }
}

fn apply(desk: &Desk, batch: &Batch, memory: &mut Memory) -> Answer {
    let written: Result<(), Halt> =
        batch.rows.iter().try_for_each(|row| rows::write(&desk.conn, &desk.safe, row, memory));
    written.map_err(JournalError::from)
}

fn run(conn: &Connection, statement: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(statement)?.execute([]).map(drop)
}

//! Sends what the journal holds to be sent. A message is signed once; it is offered again until the market has it or it is too old.

use super::Shared;
use super::registry::{self, Note};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use pylon_core::MessageId;
use pylon_core::machine::Event;
use pylon_core::ports::journal::{OutboxRow, Row};
use pylon_core::ports::market::{Delivery, Sealed};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Messages handed over and not yet on their way; more wait in the journal.
const QUEUE: usize = 1024;
/// Messages on their way at once.
const AT_ONCE: usize = 64;
/// Between two looks at what waits in the journal.
const SWEEP_EVERY: Duration = Duration::from_secs(20);
/// Acknowledged feedback is noted with the next result, or after this.
const NOTE_AFTER: Duration = Duration::from_secs(1);
/// Between two offers of one message, at first and at most.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(60);

/// Where messages are handed over.
pub(super) struct Outbox {
    queue: mpsc::Sender<Letter>,
    /// Something was left in the journal for the next look.
    left_behind: AtomicBool,
    on_their_way: AtomicUsize,
    changed: Notify,
}

/// What is sent.
pub(super) enum Letter {
    /// Until the market has it.
    Kept(OutboxRow),
    /// Once, if it can be.
    Once(Sealed),
}

impl Outbox {
    pub(super) fn new() -> (Self, mpsc::Receiver<Letter>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let outbox =
            Self { queue, left_behind: AtomicBool::new(true), on_their_way: AtomicUsize::new(0), changed: Notify::new() };
        (outbox, receiver)
    }

    /// Sends what has just been committed.
    pub(super) fn send(&self, row: OutboxRow) {
        self.hand_over(Letter::Kept(row));
    }

    /// Offers a message once. It is lost if nobody takes it.
    pub(super) fn send_once(&self, sealed: Sealed) {
        self.hand_over(Letter::Once(sealed));
    }

    fn hand_over(&self, letter: Letter) {
        self.on_their_way.fetch_add(1, Ordering::AcqRel);
        if let Err(refused) = self.queue.try_send(letter) {
            self.on_their_way.fetch_sub(1, Ordering::AcqRel);
            if matches!(refused.into_inner(), Letter::Kept(_)) {
                self.left_behind.store(true, Ordering::Release);
            }
        }
    }

    /// Resolves when nothing is on its way.
    pub(super) async fn drained(&self) {
        loop {
            let changed = self.changed.notified();
            if self.on_their_way.load(Ordering::Acquire) == 0 {
                return;
            }
            changed.await;
        }
    }

    fn arrived(&self) {
        self.on_their_way.fetch_sub(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }
}

/// What became of a message.
enum Outcome {
    Over,
    Kept { row: OutboxRow, delivery: Delivery },
}

pub(super) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Letter>) {
    let mut sending = FuturesUnordered::new();
    let mut known: HashSet<MessageId> = HashSet::new();
    let mut acknowledged: Vec<MessageId> = Vec::new();
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    let mut note = tokio::time::interval(NOTE_AFTER);
    note.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(letter) = queue.recv(), if sending.len() < AT_ONCE => {
                if let Letter::Kept(row) = &letter && !known.insert(row.sealed.id) {
                    shared.outbox.arrived();
                    continue;
                }
                sending.push(send(&shared, letter));
            }
            Some(outcome) = sending.next() => {
                shared.outbox.arrived();
                if let Outcome::Kept { row, delivery } = outcome {
                    known.remove(&row.sealed.id);
                    settle(&shared, row, delivery, &mut acknowledged).await;
                }
            }
            _ = sweep.tick() => look(&shared, &known),
            _ = note.tick(), if !acknowledged.is_empty() => {
                let rows: Vec<_> = acknowledged.drain(..).map(Row::Sent).collect();
                if let Err(error) = shared.journal.commit(rows.into()).await {
                    tracing::warn!(%error, "acknowledgements not noted: these messages may be sent again");
                }
            }
        }
    }
}

/// Takes from the journal what was left there.
fn look(shared: &Arc<Shared>, known: &HashSet<MessageId>) {
    if !shared.outbox.left_behind.swap(false, Ordering::AcqRel) {
        return;
    }
    match shared.journal.unsent(QUEUE) {
        Ok(rows) => rows.into_iter().filter(|row| !known.contains(&row.sealed.id)).for_each(|row| shared.outbox.send(row)),
        Err(error) => {
            tracing::warn!(%error, "cannot look for unsent messages");
            shared.outbox.left_behind.store(true, Ordering::Release);
        }
    }
}

async fn send(shared: &Arc<Shared>, letter: Letter) -> Outcome {
    let row = match letter {
        Letter::Once(sealed) => {
            shared.market.send(&sealed).await;
            return Outcome::Over;
        }
        Letter::Kept(row) => row,
    };
    let mut pause = RETRY_FIRST;
    loop {
        if shared.clock.now() > row.expires_at {
            return Outcome::Kept { row, delivery: Delivery::Refused };
        }
        match shared.market.send(&row.sealed).await {
            // A stop does not wait for a market that is not there: the journal keeps the message.
            Delivery::Later if !shared.closing.is_cancelled() => {
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(RETRY_MOST),
                    () = shared.closing.cancelled() => {}
                }
            }
            delivery => return Outcome::Kept { row, delivery },
        }
    }
}

async fn settle(shared: &Arc<Shared>, row: OutboxRow, delivery: Delivery, acknowledged: &mut Vec<MessageId>) {
    let event = match delivery {
        Delivery::Later => return,
        Delivery::Delivered => Event::Delivered,
        Delivery::Refused => {
            tracing::warn!(job = %row.job.short(), "no relay takes a message of this job");
            Event::Undeliverable
        }
    };
    acknowledged.push(row.sealed.id);
    if row.result {
        let rows = acknowledged.drain(..).map(Row::Sent).collect();
        registry::tell(shared, row.job, Note { event, rows }).await;
    }
}

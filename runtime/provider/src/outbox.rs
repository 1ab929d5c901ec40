//! Where messages are queued for sending. [`crate::delivery`] sends them.

use pylon_core::JobId;
use pylon_core::message::SignedMessage;
use pylon_core::rows::OutboxRow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{Notify, mpsc};

/// Messages in the queue; further ones stay in the journal.
pub(crate) const QUEUE_MAX: usize = 1024;

/// The queue of outgoing messages.
pub(crate) struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    /// Some messages are only in the journal: results, or others.
    left_behind: [AtomicBool; 2],
    some_left_behind: Notify,
    /// Messages that were not tried yet.
    untried: AtomicUsize,
    changed: Notify,
}

/// A message to send.
pub(crate) enum Outgoing {
    /// Retried until the market has it.
    Durable(OutboxRow),
    /// About this job: tried once, if there is room.
    BestEffort(JobId, SignedMessage),
}

impl Outbox {
    pub(crate) fn new() -> (Arc<Self>, mpsc::Receiver<Outgoing>) {
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        let outbox = Self {
            queue,
            // At first the messages of an earlier run.
            left_behind: [AtomicBool::new(true), AtomicBool::new(true)],
            some_left_behind: Notify::new(),
            untried: AtomicUsize::new(0),
            changed: Notify::new(),
        };
        (Arc::new(outbox), receiver)
    }

    /// Queues a message. A durable one must have been committed before.
    pub(crate) fn send(&self, message: Outgoing) {
        self.add_untried();
        if let Err(rejected) = self.queue.try_send(message) {
            self.tried();
            if let Outgoing::Durable(row) = rejected.into_inner() {
                self.leave_behind(row.result);
            }
        }
    }

    /// Resolves when each message was tried once. Those that failed are in the journal.
    pub(crate) async fn drained(&self) {
        loop {
            let changed = self.changed.notified();
            if self.untried() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Messages that were not tried yet.
    pub(crate) fn untried(&self) -> usize {
        self.untried.load(Ordering::Acquire)
    }

    /// A message was read from the journal.
    pub(crate) fn add_untried(&self) {
        self.untried.fetch_add(1, Ordering::AcqRel);
    }

    /// A message was tried for the first time, or dropped.
    pub(crate) fn tried(&self) {
        let less = |untried: usize| Some(untried.saturating_sub(1));
        let _ = self.untried.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        self.changed.notify_waiters();
    }

    /// Only this many messages are in the queue, and all others in the journal.
    pub(crate) fn restart(&self, queued: usize) {
        self.untried.store(queued, Ordering::Release);
        self.changed.notify_waiters();
        [true, false].into_iter().for_each(|is_result| self.leave_behind(is_result));
    }

    /// A result, or another durable message, stays in the journal for now.
    pub(crate) fn leave_behind(&self, is_result: bool) {
        self.left(is_result).store(true, Ordering::Release);
        self.some_left_behind.notify_one();
    }

    /// Whether results, or other messages, are only in the journal.
    pub(crate) fn has_left_behind(&self, is_result: bool) -> bool {
        self.left(is_result).load(Ordering::Acquire)
    }

    /// The journal is read now.
    pub(crate) fn read_left_behind(&self, is_result: bool) {
        self.left(is_result).store(false, Ordering::Release);
    }

    /// Resolves when messages were left in the journal.
    pub(crate) async fn some_left_behind(&self) {
        self.some_left_behind.notified().await;
    }

    fn left(&self, is_result: bool) -> &AtomicBool {
        let [results, others] = &self.left_behind;
        if is_result { results } else { others }
    }
}

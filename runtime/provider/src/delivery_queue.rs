//! The order in which messages are sent: first tries before retries, results before the rest.

use crate::outbox::{Outbox, Outgoing};
use pylon_core::MessageId;
use pylon_core::backoff::Backoff;
use pylon_core::rows::OutboxRow;
use std::collections::btree_map::OccupiedEntry;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Messages in memory, of results and of the rest; further ones stay in the journal.
pub(crate) const WAITING_MAX: usize = 4096;
/// Messages being sent.
pub(crate) const SEND_CONCURRENCY: usize = 64;
/// Retries among them.
pub(crate) const RETRY_CONCURRENCY: usize = 16;
/// Between two tries of one message.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// A message with its retries.
pub(crate) struct PendingMessage {
    pub(crate) message: Outgoing,
    pub(crate) backoff: Backoff,
    pub(crate) is_retry: bool,
}

/// Messages of one sort, in order of arrival.
#[derive(Default)]
pub(crate) struct RetryQueue {
    untried: VecDeque<PendingMessage>,
    retries: BTreeMap<(Instant, MessageId), PendingMessage>,
}

impl RetryQueue {
    pub(crate) fn len(&self) -> usize {
        self.untried.len() + self.retries.len()
    }

    /// Takes the first message whose retry is due.
    fn due(&mut self, now: Instant) -> Option<PendingMessage> {
        self.retries.first_entry().filter(|entry| entry.key().0 <= now).map(OccupiedEntry::remove)
    }

    fn next_retry(&self) -> Option<Instant> {
        self.retries.first_key_value().map(|((at, _), _)| *at)
    }
}

/// All messages in memory.
#[derive(Default)]
pub(crate) struct DeliveryQueue {
    results: RetryQueue,
    others: RetryQueue,
    /// Durable messages in memory, also those being sent.
    known: HashSet<MessageId>,
}

impl DeliveryQueue {
    fn sort(&mut self, is_result: bool) -> &mut RetryQueue {
        if is_result { &mut self.results } else { &mut self.others }
    }

    /// Adds a message. Without room, a durable message stays in the journal.
    pub(crate) fn add(&mut self, outbox: &Outbox, message: Outgoing) {
        let is_result = match &message {
            Outgoing::Durable(row) if !self.known.insert(row.message.id) => return outbox.tried(),
            Outgoing::Durable(row) if self.room(row.result) == 0 => {
                let id = row.message.id;
                self.known.remove(&id);
                outbox.leave_behind();
                return outbox.tried();
            }
            Outgoing::Durable(row) => row.result,
            // A message that is tried once must not wait for long.
            Outgoing::BestEffort(_) if self.others.untried.len() >= SEND_CONCURRENCY => {
                return outbox.tried();
            }
            Outgoing::BestEffort(_) => false,
        };
        let backoff = Backoff::new(BACKOFF_MIN, BACKOFF_MAX);
        self.sort(is_result).untried.push_back(PendingMessage {
            message,
            backoff,
            is_retry: false,
        });
    }

    /// Takes the next message. Only some of the messages being sent are retries, so that relays
    /// that accept nothing do not delay the others.
    pub(crate) fn next(&mut self, retrying: usize) -> Option<PendingMessage> {
        let untried = self.results.untried.pop_front().or_else(|| self.others.untried.pop_front());
        let now = Instant::now();
        untried.or_else(|| {
            (retrying < RETRY_CONCURRENCY)
                .then(|| self.results.due(now).or_else(|| self.others.due(now)))?
        })
    }

    /// Sends a message again after a pause.
    pub(crate) fn retry(&mut self, row: OutboxRow, mut backoff: Backoff) {
        let at = Instant::now() + backoff.next_pause();
        let (key, is_result) = ((at, row.message.id), row.result);
        let pending = PendingMessage { message: Outgoing::Durable(row), backoff, is_retry: true };
        self.sort(is_result).retries.insert(key, pending);
    }

    /// Forgets a message that need not be sent again.
    pub(crate) fn forget(&mut self, id: &MessageId) {
        self.known.remove(id);
    }

    /// Whether this durable message is in memory.
    pub(crate) fn knows(&self, id: &MessageId) -> bool {
        self.known.contains(id)
    }

    /// The number of durable messages in memory.
    pub(crate) fn known(&self) -> usize {
        self.known.len()
    }

    /// Room for further messages.
    pub(crate) fn room(&mut self, is_result: bool) -> usize {
        WAITING_MAX.saturating_sub(self.sort(is_result).len())
    }

    /// Whether each message here was tried at least once.
    pub(crate) fn is_tried(&self) -> bool {
        self.results.untried.is_empty() && self.others.untried.is_empty()
    }

    /// When the next retry is due.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        self.results.next_retry().into_iter().chain(self.others.next_retry()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use pylon_core::message::SignedMessage;
    use pylon_core::{JobId, UnixTime};

    fn row(number: u32, result: bool) -> OutboxRow {
        let mut name = [0; 32];
        name[..4].copy_from_slice(&number.to_le_bytes());
        let message = SignedMessage { id: MessageId::from_bytes(name), bytes: String::new() };
        OutboxRow { job: JobId::from_bytes([1; 32]), result, message, expires_at: UnixTime::new(9) }
    }

    fn number(pending: Option<PendingMessage>) -> Option<u8> {
        match pending?.message {
            Outgoing::Durable(row) => row.message.id.as_bytes().first().copied(),
            Outgoing::BestEffort(_) => None,
        }
    }

    /// Goal: messages that relays do not accept do not delay others, and results go first. Method:
    /// two of each sort, one of them a retry.
    #[test]
    fn first_tries_go_before_retries() {
        let (outbox, _queue) = Outbox::new();
        let mut queue = DeliveryQueue::default();
        let due = || Backoff::new(Duration::ZERO, Duration::ZERO);
        queue.retry(row(1, true), due());
        queue.retry(row(2, false), due());
        queue.add(&outbox, Outgoing::Durable(row(3, false)));
        queue.add(&outbox, Outgoing::Durable(row(4, true)));
        let next = |queue: &mut DeliveryQueue, retrying| number(queue.next(retrying));
        assert_eq!([next(&mut queue, 0), next(&mut queue, 0)], [Some(4), Some(3)]);
        assert_eq!(next(&mut queue, RETRY_CONCURRENCY), None, "enough retries are being sent");
        assert_eq!(
            [next(&mut queue, 0), next(&mut queue, 0), next(&mut queue, 0)],
            [Some(1), Some(2), None]
        );
    }

    /// Goal: memory is bounded, and what has no room is read from the journal later. Method: one
    /// message more than there is room for, of each sort.
    #[test]
    fn messages_without_room_stay_in_the_journal() {
        let (outbox, _queue) = Outbox::new();
        let left_behind = || outbox.has_left_behind().now_or_never().is_some();
        let mut queue = DeliveryQueue::default();
        let add = |queue: &mut DeliveryQueue, message| {
            outbox.add_untried();
            queue.add(&outbox, message);
        };
        for count in 0..=u32::try_from(WAITING_MAX).unwrap() {
            assert!(!left_behind(), "{count}");
            add(&mut queue, Outgoing::Durable(row(count, true)));
        }
        assert!(left_behind() && queue.room(true) == 0 && queue.known() == WAITING_MAX);
        for count in 0..=SEND_CONCURRENCY {
            let message = row(u32::try_from(count).unwrap(), false).message;
            add(&mut queue, Outgoing::BestEffort(message));
        }
        assert_eq!(queue.others.len(), SEND_CONCURRENCY);
        assert_eq!(
            outbox.untried(),
            WAITING_MAX + SEND_CONCURRENCY,
            "dropped messages are not waited for"
        );
    }
}

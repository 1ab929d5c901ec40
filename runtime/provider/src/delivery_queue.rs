//! The order in which messages are sent: first tries before retries, results before the rest.

use crate::outbox::{Outbox, Outgoing};
use pylon_core::backoff::Backoff;
use pylon_core::rows::OutboxRow;
use pylon_core::{JobId, MessageId};
use std::collections::btree_map::OccupiedEntry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
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
    /// Durable messages in memory, also those being sent and recorded.
    known: HashSet<MessageId>,
    /// The last feedback about each job, until it is recorded as sent.
    feedback: HashMap<JobId, MessageId>,
    /// Feedback that must not be sent any more.
    superseded: HashSet<MessageId>,
}

impl DeliveryQueue {
    fn sort(&mut self, is_result: bool) -> &mut RetryQueue {
        if is_result { &mut self.results } else { &mut self.others }
    }

    /// Adds a message. Without room, a durable message stays in the journal. It supersedes the
    /// feedback about its job so far, as it does in the journal.
    pub(crate) fn add(&mut self, outbox: &Outbox, message: Outgoing) {
        let is_result = match &message {
            Outgoing::Durable(row) if self.knows(&row.message.id) => return outbox.tried(),
            Outgoing::Durable(row) => {
                self.supersede(outbox, row);
                if self.room(row.result) == 0 {
                    outbox.leave_behind(row.result);
                    return outbox.tried();
                }
                self.known.insert(row.message.id);
                if !row.result {
                    self.feedback.insert(row.job, row.message.id);
                }
                row.result
            }
            // A message that is tried once must not wait for long.
            Outgoing::BestEffort(..) if self.others.untried.len() >= SEND_CONCURRENCY => {
                return outbox.tried();
            }
            Outgoing::BestEffort(..) => false,
        };
        let backoff = Backoff::new(BACKOFF_MIN, BACKOFF_MAX);
        self.sort(is_result).untried.push_back(PendingMessage {
            message,
            backoff,
            is_retry: false,
        });
    }

    /// Nothing is sent about a job after its result, and no feedback after later feedback.
    fn supersede(&mut self, outbox: &Outbox, by: &OutboxRow) {
        self.superseded.extend(self.feedback.remove(&by.job));
        if by.result {
            let before = self.others.untried.len();
            self.others.untried.retain(|pending| {
                !matches!(&pending.message, Outgoing::BestEffort(job, _) if *job == by.job)
            });
            (self.others.untried.len()..before).for_each(|_| outbox.tried());
        }
    }

    /// Takes the next message. Only some of the messages being sent are retries, so that relays
    /// that accept nothing do not delay the others.
    pub(crate) fn next(&mut self, outbox: &Outbox, retrying: usize) -> Option<PendingMessage> {
        let now = Instant::now();
        loop {
            let untried =
                self.results.untried.pop_front().or_else(|| self.others.untried.pop_front());
            let pending = untried.or_else(|| {
                (retrying < RETRY_CONCURRENCY)
                    .then(|| self.results.due(now).or_else(|| self.others.due(now)))?
            })?;
            match &pending.message {
                Outgoing::Durable(row) if self.superseded.contains(&row.message.id) => {
                    self.forget(row);
                    if !pending.is_retry {
                        outbox.tried();
                    }
                }
                _ => return Some(pending),
            }
        }
    }

    /// Sends a message again after a pause.
    pub(crate) fn retry(&mut self, row: OutboxRow, mut backoff: Backoff) {
        if self.superseded.contains(&row.message.id) {
            return self.forget(&row);
        }
        let at = Instant::now() + backoff.next_pause();
        let (key, is_result) = ((at, row.message.id), row.result);
        let pending = PendingMessage { message: Outgoing::Durable(row), backoff, is_retry: true };
        self.sort(is_result).retries.insert(key, pending);
    }

    /// Forgets a message that is no longer in the journal.
    pub(crate) fn forget(&mut self, row: &OutboxRow) {
        let id = row.message.id;
        self.known.remove(&id);
        self.superseded.remove(&id);
        if self.feedback.get(&row.job) == Some(&id) {
            self.feedback.remove(&row.job);
        }
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

    /// When the next retry is due.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        self.results.next_retry().into_iter().chain(self.others.next_retry()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pylon_core::UnixTime;
    use pylon_core::message::SignedMessage;

    fn bytes(number: u32) -> [u8; 32] {
        let mut name = [0; 32];
        name[..4].copy_from_slice(&number.to_le_bytes());
        name
    }

    fn message(number: u32) -> SignedMessage {
        SignedMessage { id: MessageId::from_bytes(bytes(number)), bytes: String::new() }
    }

    /// A message about a job of its own.
    fn row(number: u32, result: bool) -> OutboxRow {
        about(number, number, result)
    }

    fn about(job: u32, number: u32, result: bool) -> OutboxRow {
        let job = JobId::from_bytes(bytes(job));
        OutboxRow { job, result, message: message(number), expires_at: UnixTime::new(9) }
    }

    fn number(pending: Option<PendingMessage>) -> Option<u8> {
        let id = match pending?.message {
            Outgoing::Durable(row) => row.message.id,
            Outgoing::BestEffort(_, message) => message.id,
        };
        id.as_bytes().first().copied()
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
        let next = |queue: &mut DeliveryQueue, retrying| number(queue.next(&outbox, retrying));
        assert_eq!([next(&mut queue, 0), next(&mut queue, 0)], [Some(4), Some(3)]);
        assert_eq!(next(&mut queue, RETRY_CONCURRENCY), None, "enough retries are being sent");
        assert_eq!(
            [next(&mut queue, 0), next(&mut queue, 0), next(&mut queue, 0)],
            [Some(1), Some(2), None]
        );
    }

    /// Goal: nothing is sent about a job after its result, and no feedback after later feedback,
    /// wherever the earlier message is. Method: feedback that waits, is being sent, or waits for a
    /// retry, and a partial result, each with a result or other feedback of the same job; a message
    /// of another job is sent.
    #[test]
    fn later_message_supersedes_feedback_of_its_job() {
        for result in [true, false] {
            let (outbox, _queue) = Outbox::new();
            let mut queue = DeliveryQueue::default();
            let due = || Backoff::new(Duration::ZERO, Duration::ZERO);
            let add = |queue: &mut DeliveryQueue, message| {
                outbox.add_untried();
                queue.add(&outbox, message);
            };
            for job in 1..=4 {
                add(&mut queue, Outgoing::Durable(about(job, job, false)));
            }
            let being_sent = queue.next(&outbox, 0);
            let failed = queue.next(&outbox, 0);
            assert_eq!([number(being_sent), number(failed)], [Some(1), Some(2)]);
            queue.retry(about(2, 2, false), due());
            add(&mut queue, Outgoing::BestEffort(JobId::from_bytes(bytes(5)), message(5)));
            for job in [1, 2, 3, 5] {
                add(&mut queue, Outgoing::Durable(about(job, 10 + job, result)));
            }
            queue.retry(about(1, 1, false), due());
            let mut sent = Vec::new();
            while let Some(number) = number(queue.next(&outbox, 0)) {
                sent.push(number);
            }
            let expected: &[u8] =
                if result { &[11, 12, 13, 15, 4] } else { &[4, 5, 11, 12, 13, 15] };
            assert_eq!(sent, expected, "{result}");
            assert_eq!(queue.known(), 5, "superseded messages are forgotten");
            // The first two, and those that were taken now.
            assert_eq!(outbox.untried(), 2 + sent.len(), "dropped messages are not waited for");
        }
    }

    /// Goal: memory is bounded, and what has no room is read from the journal later. Method: one
    /// message more than there is room for, of each sort.
    #[test]
    fn messages_without_room_stay_in_the_journal() {
        let (outbox, _queue) = Outbox::new();
        outbox.read_left_behind(true);
        let mut queue = DeliveryQueue::default();
        let add = |queue: &mut DeliveryQueue, message| {
            outbox.add_untried();
            queue.add(&outbox, message);
        };
        for count in 0..=u32::try_from(WAITING_MAX).unwrap() {
            assert!(!outbox.has_left_behind(true), "{count}");
            add(&mut queue, Outgoing::Durable(row(count, true)));
        }
        assert!(outbox.has_left_behind(true));
        assert!(queue.room(true) == 0 && queue.known() == WAITING_MAX);
        for count in 0..=SEND_CONCURRENCY {
            let OutboxRow { job, message, .. } = row(u32::try_from(count).unwrap(), false);
            add(&mut queue, Outgoing::BestEffort(job, message));
        }
        assert_eq!(queue.others.len(), SEND_CONCURRENCY);
        assert_eq!(
            outbox.untried(),
            WAITING_MAX + SEND_CONCURRENCY,
            "dropped messages are not waited for"
        );
    }
}

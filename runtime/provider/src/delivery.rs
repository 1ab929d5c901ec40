//! Sends messages. A message is signed once and sent until the market has it or it expires.

use crate::delivery_queue::{
    DeliveryQueue, PendingMessage, RETRY_CONCURRENCY, SEND_CONCURRENCY, WAITING_MAX,
};
use crate::envelope::Envelope;
use crate::outbox::{Outbox, Outgoing, QUEUE_MAX};
use crate::panics::{catch, catch_in_job};
use crate::registry::Registry;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use pylon_core::backoff::Backoff;
use pylon_core::machine::Event;
use pylon_core::message::SendOutcome;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::journal::Journal;
use pylon_core::ports::market::Market;
use pylon_core::rows::{OutboxRow, Row};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// Acknowledged feedback is recorded together after this.
const RECORD_INTERVAL: Duration = Duration::from_secs(1);
/// Room for at least this many messages, before those that are only in the journal are read.
const READ_ROWS_MIN: usize = WAITING_MAX / 8;
/// With this many durable messages in memory no further ones are read: the journal records none.
const KNOWN_MAX: usize = 3 * WAITING_MAX;
/// Until the journal is read again after an error.
const READ_RETRY_DELAY: Duration = Duration::from_secs(5);

/// What sending needs.
pub(crate) struct DeliveryWorker {
    pub(crate) market: Arc<dyn Market>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) registry: Arc<Registry>,
}

/// The end of one try.
struct Tried {
    is_retry: bool,
    /// Absent for a message that is tried once.
    durable: Option<(OutboxRow, Backoff, NextStep)>,
}

/// What follows on a try.
enum NextStep {
    Retry,
    /// Feedback that need not be sent again.
    Record,
    /// The journal has it.
    Recorded,
}

impl DeliveryWorker {
    /// Can be started again: what it had in memory is in the journal.
    pub(crate) async fn run(self: Arc<Self>, outgoing: Arc<Mutex<mpsc::Receiver<Outgoing>>>) {
        let mut outgoing = outgoing.lock().await;
        let outbox = &*self.outbox;
        outbox.restart(outgoing.len());
        let mut sending = FuturesUnordered::new();
        let mut queue = DeliveryQueue::default();
        let mut acknowledged = Vec::new();
        let mut record = interval(RECORD_INTERVAL);
        record.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut read_again_at = None;
        let mut retrying = 0_usize;
        loop {
            if read_again_at.is_none() && !self.read_left_behind(&mut queue) {
                read_again_at = Some(Instant::now() + READ_RETRY_DELAY);
            }
            while sending.len() < SEND_CONCURRENCY
                && let Some(pending) = queue.next(outbox, retrying)
            {
                retrying += usize::from(pending.is_retry);
                sending.push(self.send(pending));
            }
            let has_room = sending.len() < SEND_CONCURRENCY && retrying < RETRY_CONCURRENCY;
            let next_retry = queue.next_retry().filter(|_| has_room);
            tokio::select! {
                Some(message) = outgoing.recv() => queue.add(outbox, message),
                Some(Tried { is_retry, durable }) = sending.next() => {
                    match durable {
                        Some((row, backoff, NextStep::Retry)) => queue.retry(row, backoff),
                        Some((row, _, NextStep::Record)) => acknowledged.push(row),
                        Some((row, _, NextStep::Recorded)) => queue.forget(&row),
                        None => {}
                    }
                    if is_retry {
                        retrying = retrying.saturating_sub(1);
                    } else {
                        outbox.tried();
                    }
                }
                () = until(next_retry) => {}
                () = outbox.some_left_behind() => {}
                () = until(read_again_at) => read_again_at = None,
                _ = record.tick(), if !acknowledged.is_empty() => {
                    self.record_sent(&mut queue, &mut acknowledged).await;
                }
            }
        }
    }

    /// Tries to send a message. The end of a result is recorded with its job.
    async fn send(&self, pending: PendingMessage) -> Tried {
        let PendingMessage { message, backoff, is_retry } = pending;
        let row = match message {
            Outgoing::BestEffort(_, message) => {
                let _ = catch(self.market.send(&message)).await;
                return Tried { is_retry, durable: None };
            }
            Outgoing::Durable(row) => row,
        };
        let is_expired = || self.clock.now() > row.expires_at;
        let outcome = if is_expired() {
            SendOutcome::Refused
        } else {
            let sent = catch_in_job(row.job, self.market.send(&row.message)).await;
            sent.unwrap_or(SendOutcome::Retry)
        };
        let event = match outcome {
            SendOutcome::Delivered => Event::Delivered,
            SendOutcome::Retry if !is_expired() => {
                return Tried { is_retry, durable: Some((row, backoff, NextStep::Retry)) };
            }
            SendOutcome::Retry | SendOutcome::Refused => {
                tracing::warn!(
                    job = %row.job.short(),
                    result = row.result,
                    "no relay accepted the event"
                );
                Event::Undeliverable
            }
        };
        let next = if !row.result {
            NextStep::Record
        } else if self.record_result(&row, event).await {
            NextStep::Recorded
        } else {
            NextStep::Retry
        };
        Tried { is_retry, durable: Some((row, backoff, next)) }
    }

    /// Delivers the end of a result to its job. Has it been committed?
    async fn record_result(&self, row: &OutboxRow, event: Event) -> bool {
        let (ack, acked) = oneshot::channel();
        let rows = vec![Row::Sent(row.message.id)];
        let ended = Envelope { ack: Some(ack), ..Envelope::with(event, rows) };
        self.registry.deliver(row.job, ended).await;
        acked.await.is_ok()
    }

    /// Records sent feedback. It is known until then, so that it is not read from the journal and
    /// sent again.
    async fn record_sent(&self, queue: &mut DeliveryQueue, acknowledged: &mut Vec<OutboxRow>) {
        let rows: Vec<_> = acknowledged.iter().map(|row| Row::Sent(row.message.id)).collect();
        match self.journal.commit(rows.into()).await {
            Ok(()) => acknowledged.drain(..).for_each(|row| queue.forget(&row)),
            Err(error) => tracing::warn!(%error, "sent messages not recorded, will retry"),
        }
    }

    /// Reads messages that are only in the journal, as far as there is room. `false`: the journal
    /// cannot be read.
    fn read_left_behind(&self, queue: &mut DeliveryQueue) -> bool {
        for is_result in [true, false] {
            let room = queue.room(is_result);
            let has_room = room >= READ_ROWS_MIN && queue.known() < KNOWN_MAX;
            if !self.outbox.has_left_behind(is_result) || !has_room {
                continue;
            }
            self.outbox.read_left_behind(is_result);
            let most = room.min(QUEUE_MAX);
            let mut rows = match self.journal.unsent(is_result, queue.known() + most + 1) {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::warn!(%error, "cannot read unsent messages, will retry");
                    self.outbox.leave_behind(is_result);
                    return false;
                }
            };
            rows.retain(|row| !queue.knows(&row.message.id));
            if rows.len() > most {
                self.outbox.leave_behind(is_result);
            }
            for row in rows.into_iter().take(most) {
                self.outbox.add_untried();
                queue.add(&self.outbox, Outgoing::Durable(row));
            }
        }
        true
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

//! Sends messages. A message is signed once and sent until the market has it or it expires.

use crate::delivery_queue::{DeliveryQueue, PendingMessage, RETRY_CONCURRENCY, SEND_CONCURRENCY};
use crate::envelope::Envelope;
use crate::outbox::{Outbox, Outgoing, QUEUE_MAX};
use crate::registry::Registry;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use pylon_core::MessageId;
use pylon_core::backoff::Backoff;
use pylon_core::machine::Event;
use pylon_core::message::SendOutcome;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::journal::Journal;
use pylon_core::ports::market::Market;
use pylon_core::rows::{OutboxRow, Row};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// From leaving a message in the journal to the next read of the journal.
const SWEEP_DELAY: Duration = Duration::from_secs(60);
/// Acknowledged feedback is recorded with the next result, or after this.
const RECORD_INTERVAL: Duration = Duration::from_secs(1);

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
    durable: Option<(OutboxRow, Backoff, SendOutcome)>,
}

impl DeliveryWorker {
    pub(crate) async fn run(self, mut outgoing: mpsc::Receiver<Outgoing>) {
        let outbox = &*self.outbox;
        let mut sending = FuturesUnordered::new();
        let mut queue = DeliveryQueue::default();
        let mut acknowledged = Vec::new();
        let mut record = interval(RECORD_INTERVAL);
        record.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // At first the messages of an earlier run.
        let (mut more, mut sweep_at) = (true, None);
        let mut retrying = 0_usize;
        loop {
            if more && queue.is_tried() {
                more = self.sweep(&mut queue);
            }
            while sending.len() < SEND_CONCURRENCY
                && let Some(pending) = queue.next(retrying)
            {
                retrying += usize::from(pending.is_retry);
                sending.push(self.send(pending));
            }
            let has_room = sending.len() < SEND_CONCURRENCY && retrying < RETRY_CONCURRENCY;
            let next_retry = queue.next_retry().filter(|_| has_room);
            tokio::select! {
                Some(message) = outgoing.recv() => queue.add(outbox, message),
                Some(Tried { is_retry, durable }) = sending.next() => {
                    if let Some((row, backoff, outcome)) = durable {
                        self.settle(&mut queue, &mut acknowledged, row, backoff, outcome).await;
                    }
                    if is_retry {
                        retrying = retrying.saturating_sub(1);
                    } else {
                        outbox.tried();
                    }
                }
                () = until(next_retry) => {}
                () = outbox.has_left_behind(), if sweep_at.is_none() => {
                    sweep_at = Some(Instant::now() + SWEEP_DELAY);
                }
                () = until(sweep_at) => (more, sweep_at) = (true, None),
                _ = record.tick(), if !acknowledged.is_empty() => {
                    let rows: Vec<_> = acknowledged.drain(..).map(Row::Sent).collect();
                    if let Err(error) = self.journal.commit(rows.into()).await {
                        tracing::warn!(%error, "acknowledgements not recorded, messages may be sent again");
                    }
                }
            }
        }
    }

    /// Tries to send a message.
    async fn send(&self, pending: PendingMessage) -> Tried {
        let PendingMessage { message, backoff, is_retry } = pending;
        let durable = match message {
            Outgoing::BestEffort(message) => {
                self.market.send(&message).await;
                None
            }
            Outgoing::Durable(row) => {
                let outcome = if self.clock.now() > row.expires_at {
                    SendOutcome::Refused
                } else {
                    self.market.send(&row.message).await
                };
                Some((row, backoff, outcome))
            }
        };
        Tried { is_retry, durable }
    }

    /// Queues a retry, or records the end and delivers it to the job of a result.
    async fn settle(
        &self,
        queue: &mut DeliveryQueue,
        acknowledged: &mut Vec<MessageId>,
        row: OutboxRow,
        backoff: Backoff,
        outcome: SendOutcome,
    ) {
        let event = match outcome {
            SendOutcome::Retry if self.clock.now() <= row.expires_at => {
                return queue.retry(row, backoff);
            }
            SendOutcome::Delivered => Event::Delivered,
            SendOutcome::Retry | SendOutcome::Refused => {
                tracing::warn!(job = %row.job.short(), "no relay accepted the event");
                Event::Undeliverable
            }
        };
        queue.forget(&row.message.id);
        acknowledged.push(row.message.id);
        if row.result {
            let rows = acknowledged.drain(..).map(Row::Sent).collect();
            self.registry.deliver(row.job, Envelope::with(event, rows)).await;
        }
    }

    /// Reads messages that are only in the journal. `true`: there are more of them.
    fn sweep(&self, queue: &mut DeliveryQueue) -> bool {
        let mut more = false;
        for is_result in [true, false] {
            let room = queue.room(is_result).min(QUEUE_MAX);
            if room == 0 {
                self.outbox.leave_behind();
                continue;
            }
            match self.journal.unsent(is_result, queue.known() + room) {
                Ok(mut rows) => {
                    rows.retain(|row| !queue.knows(&row.message.id));
                    more |= rows.len() >= room;
                    rows.truncate(room);
                    for row in rows {
                        self.outbox.add_untried();
                        queue.add(&self.outbox, Outgoing::Durable(row));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot read unsent messages, will retry");
                    self.outbox.leave_behind();
                }
            }
        }
        more
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

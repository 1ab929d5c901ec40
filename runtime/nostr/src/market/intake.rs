//! From the relays' sockets into one bounded queue.
//!
//! Runs as the library's admission policy, right after the check of an event's signature. Waiting
//! here blocks that relay's socket, so a burst is slowed down instead of lost. Refusing an event
//! here keeps it out of the library's lossy broadcasts. Ignored events are counted; nothing is
//! decided here.

use super::clock_evidence::ClockEvidence;
use super::price_feed::PriceFeed;
use super::queries::RelayQueries;
use super::results::Results;
use super::subscription::SubscriptionKind;
use crate::has_valid_id;
use crate::nip90::{Ignored, Reader, Screened};
use nostr_sdk::prelude::{
    AdmitPolicy, AdmitStatus, BoxedFuture, Event, EventId, PolicyError, RelayUrl, SubscriptionId,
};
use pylon_core::ports::clock::Clock;
use pylon_core::recent::RecentSet;
use pylon_core::sync::lock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;

/// Ids that are remembered, to recognise the same event from several relays.
const REMEMBERED_MAX: usize = 65_536;
/// Memory that an event needs in addition to its text.
const EVENT_OVERHEAD: usize = 1024;

/// The number of events for each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field names its outcome")]
pub struct Counts {
    pub queued: u64,
    pub duplicate: u64,
    pub forged: u64,
    pub other_kind: u64,
    pub own: u64,
    pub other_provider: u64,
    pub untimely: u64,
    pub too_large: u64,
    /// Dropped because the queue was full: a loss, which is logged.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Counters {
    queued: AtomicU64,
    duplicate: AtomicU64,
    forged: AtomicU64,
    other_kind: AtomicU64,
    own: AtomicU64,
    other_provider: AtomicU64,
    untimely: AtomicU64,
    too_large: AtomicU64,
    dropped: AtomicU64,
}

/// An event for us and its size.
pub(super) struct Queued {
    pub(super) event: Event,
    pub(super) screened: Screened,
    _room: OwnedSemaphorePermit,
}

/// Limits of the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueLimits {
    pub(super) events: usize,
    pub(super) bytes: usize,
    pub(super) wait: Duration,
}

pub(super) struct Intake {
    reader: Reader,
    kinds: watch::Receiver<Arc<[u16]>>,
    seen: Mutex<RecentSet<EventId>>,
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    limits: QueueLimits,
    clock: Arc<dyn Clock>,
    counters: Counters,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Intake({:?})", self.counts())
    }
}

impl Intake {
    pub(super) fn new(
        reader: Reader,
        kinds: watch::Receiver<Arc<[u16]>>,
        limits: QueueLimits,
        clock: Arc<dyn Clock>,
    ) -> (Arc<Self>, mpsc::Receiver<Queued>) {
        let (queue, inbox) = mpsc::channel(limits.events.max(1));
        let room = Arc::new(Semaphore::new(limits.bytes.min(u32::MAX as usize)));
        let (seen, counters) = (Mutex::new(RecentSet::new(REMEMBERED_MAX)), Counters::default());
        (Arc::new(Self { reader, kinds, seen, queue, room, limits, clock, counters }), inbox)
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let all = &self.counters;
        Counts {
            queued: read(&all.queued),
            duplicate: read(&all.duplicate),
            forged: read(&all.forged),
            other_kind: read(&all.other_kind),
            own: read(&all.own),
            other_provider: read(&all.other_provider),
            untimely: read(&all.untimely),
            too_large: read(&all.too_large),
            dropped: read(&all.dropped),
        }
    }

    async fn take(&self, event: &Event) {
        let all = &self.counters;
        let counter = if self.is_known(&event.id) {
            &all.duplicate
        } else {
            match self.screen(event) {
                Err(Ignored::OtherKind) => &all.other_kind,
                Err(Ignored::Own) => &all.own,
                Err(Ignored::OtherProvider) => &all.other_provider,
                Err(Ignored::Untimely) => {
                    self.report_untimely(event);
                    &all.untimely
                }
                Err(Ignored::TooLarge | Ignored::Nothing) => &all.too_large,
                Ok(_) if !has_valid_id(event) => &all.forged,
                Ok(_) if !self.remember(event.id) => &all.duplicate,
                Ok(screened) => return self.enqueue(event, screened).await,
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// May this message of a relay contain an event that names us?
    pub(super) fn concerns(&self, message: &str) -> bool {
        self.reader.is_named_in(message)
    }

    /// Like [`Intake::take`], for an event whose signature the library has not checked, and which
    /// only matters if it names us.
    pub(super) async fn take_unverified(&self, event: &Event) {
        if self.screen(event).is_ok_and(|screened| screened.targeted) && !self.is_known(&event.id) {
            match event.verify() {
                Ok(()) => self.take(event).await,
                Err(_) => drop(self.counters.forged.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }

    /// The same for an event whose empty tags were left out, and whose id was checked before.
    pub(super) async fn take_with_empty_tag(&self, event: &Event) {
        let Ok(screened) = self.screen(event) else { return };
        if !screened.targeted || self.is_known(&event.id) {
            return;
        }
        if !event.verify_signature() {
            self.counters.forged.fetch_add(1, Ordering::Relaxed);
        } else if self.remember(event.id) {
            self.enqueue(event, Screened { has_empty_tag: true, ..screened }).await;
        }
    }

    fn screen(&self, event: &Event) -> Result<Screened, Ignored> {
        let screened = self.reader.screen(event, self.clock.now())?;
        let kind = event.kind.as_u16();
        // A request of a kind that we do not serve is answered if it names us, and ignored
        // otherwise.
        let served = kind == crate::nip90::DELETION_KIND
            || screened.targeted
            || self.kinds.borrow().contains(&kind);
        if served { Ok(screened) } else { Err(Ignored::OtherKind) }
    }

    async fn enqueue(&self, event: &Event, screened: Screened) {
        let size = screened.bytes.saturating_add(EVENT_OVERHEAD).min(self.limits.bytes);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let places = timeout(self.limits.wait, async {
            let room = self.room.clone().acquire_many_owned(size).await.ok()?;
            Some((room, self.queue.reserve().await.ok()?))
        });
        match places.await {
            Ok(Some((room, place))) => {
                self.counters.queued.fetch_add(1, Ordering::Relaxed);
                place.send(Queued { event: event.clone(), screened, _room: room });
            }
            // Closed, or full for too long. The event is forgotten, so that another relay may send
            // it again.
            Ok(None) | Err(_) => {
                self.seen().forget(&event.id);
                let before = self.counters.dropped.fetch_add(1, Ordering::Relaxed);
                // Logged at the 1st, 2nd, 3rd, 5th, 9th, … loss, so that a flood of losses does not
                // flood the log.
                if before & before.wrapping_sub(1) == 0 {
                    tracing::warn!(id = %event.id, before, "intake queue full, event dropped");
                }
            }
        }
    }

    /// Logged at the 1st, 2nd, 3rd, 5th, 9th, … event: the clock of its author may be wrong, or
    /// ours.
    fn report_untimely(&self, event: &Event) {
        let before = self.counters.untimely.load(Ordering::Relaxed);
        if before & before.wrapping_sub(1) == 0 {
            let (created_at, now) = (event.created_at.as_secs(), self.clock.now().get());
            tracing::info!(id = %event.id, before, created_at, now, "event ignored for its date");
        }
    }

    fn is_known(&self, id: &EventId) -> bool {
        self.seen().holds(id)
    }

    fn remember(&self, id: EventId) -> bool {
        self.seen().remember(id)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, RecentSet<EventId>> {
        lock(&self.seen)
    }
}

/// The admission policy that the library calls. Answers to our own queries go to the query.
pub(super) struct IntakePolicy {
    pub(super) intake: Arc<Intake>,
    pub(super) queries: Arc<RelayQueries>,
    pub(super) results: Arc<Results>,
    pub(super) prices: Arc<PriceFeed>,
    pub(super) clock: Arc<ClockEvidence>,
}

impl std::fmt::Debug for IntakePolicy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "IntakePolicy({:?})", self.intake)
    }
}

impl AdmitPolicy for IntakePolicy {
    fn admit_event<'a>(
        &'a self,
        relay: &'a RelayUrl,
        subscription: &'a SubscriptionId,
        event: &'a Event,
    ) -> BoxedFuture<'a, Result<AdmitStatus, PolicyError>> {
        Box::pin(async move {
            if subscription.as_str() == SubscriptionKind::Results.name() {
                self.results.deliver(event);
            } else if subscription.as_str() == SubscriptionKind::Prices.name() {
                self.prices.answer(event);
            } else if !self.queries.answered(relay, subscription, event) {
                if subscription.as_str() == SubscriptionKind::Served.name() {
                    self.clock.event_arrived(relay, event);
                }
                self.prices.request(event);
                self.intake.take(event).await;
            }
            Ok(AdmitStatus::Rejected { reason: None })
        })
    }
}

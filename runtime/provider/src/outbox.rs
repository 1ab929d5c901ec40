//! Sends what the journal holds to be sent. A message is signed once; it is offered again until the market has it or it is too old. What
//! waits for another offer keeps nobody else waiting, and results go before everything else.

use super::Shared;
use super::registry::{self, Note};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use pylon_core::MessageId;
use pylon_core::machine::Event;
use pylon_core::message::{SendOutcome, SignedMessage};
use pylon_core::rows::{OutboxRow, Row};
use std::collections::btree_map::OccupiedEntry;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

/// Messages handed over and not yet taken up; more wait in the journal.
const QUEUE: usize = 1024;
/// Messages that wait here for an offer; more wait in the journal.
const WAITING: usize = 4096;
/// Messages on their way at once.
const AT_ONCE: usize = 64;
/// Of them such as were offered before.
const RETRIES_AT_ONCE: usize = 16;
/// From leaving something behind to the next look at the journal.
const SWEEP_AFTER: Duration = Duration::from_secs(60);
/// Acknowledged feedback is noted with the next result, or after this.
const NOTE_AFTER: Duration = Duration::from_secs(1);
/// Between two offers of one message, at first and at most.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(60);

/// Where messages are handed over.
pub(super) struct Outbox {
    queue: mpsc::Sender<Letter>,
    /// Something was left in the journal, for a later look.
    left_behind: Notify,
    /// Handed over, and not offered even once.
    fresh: AtomicUsize,
    changed: Notify,
}

/// What is sent.
pub(super) enum Letter {
    /// Until the market has it.
    Kept(OutboxRow),
    /// Once, if it can be.
    Once(SignedMessage),
}

impl Outbox {
    pub(super) fn new() -> (Self, mpsc::Receiver<Letter>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let outbox = Self {
            queue,
            left_behind: Notify::new(),
            fresh: AtomicUsize::new(0),
            changed: Notify::new(),
        };
        (outbox, receiver)
    }

    /// Sends what has just been committed.
    pub(super) fn send(&self, row: OutboxRow) {
        self.hand_over(Letter::Kept(row));
    }

    /// Offers a message once. It is lost if nobody takes it.
    pub(super) fn send_once(&self, sealed: SignedMessage) {
        self.hand_over(Letter::Once(sealed));
    }

    fn hand_over(&self, letter: Letter) {
        self.fresh.fetch_add(1, Ordering::AcqRel);
        if let Err(refused) = self.queue.try_send(letter) {
            self.offered();
            if matches!(refused.into_inner(), Letter::Kept(_)) {
                self.left_behind.notify_one();
            }
        }
    }

    /// Resolves when everything was offered once: what nobody took then stays in the journal.
    pub(super) async fn drained(&self) {
        loop {
            let changed = self.changed.notified();
            if self.fresh.load(Ordering::Acquire) == 0 {
                return;
            }
            changed.await;
        }
    }

    fn offered(&self) {
        self.fresh.fetch_sub(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }
}

/// A message on its way.
struct Offer {
    letter: Letter,
    /// Until the next offer, should this one fail.
    pause: Duration,
}

impl Offer {
    /// Nobody has been offered it yet.
    fn is_fresh(&self) -> bool {
        self.pause == RETRY_FIRST
    }
}

/// Messages of one sort, in the order in which they came.
#[derive(Default)]
struct Pile {
    ready: VecDeque<Offer>,
    later: BTreeMap<(Instant, MessageId), Offer>,
}

impl Pile {
    fn len(&self) -> usize {
        self.ready.len() + self.later.len()
    }

    /// Takes the first one whose time for another offer has come.
    fn due(&mut self, now: Instant) -> Option<Offer> {
        self.later.first_entry().filter(|entry| entry.key().0 <= now).map(OccupiedEntry::remove)
    }

    fn wakes_at(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }
}

/// What became of an offer.
enum Outcome {
    /// It was worth one offer.
    Over,
    Answered(OutboxRow, Duration, SendOutcome),
}

/// All that is known of what is on its way.
#[derive(Default)]
struct Desk {
    results: Pile,
    rest: Pile,
    known: HashSet<MessageId>,
    acknowledged: Vec<MessageId>,
}

impl Desk {
    fn pile(&mut self, is_result: bool) -> &mut Pile {
        if is_result { &mut self.results } else { &mut self.rest }
    }

    fn take(&mut self, outbox: &Outbox, letter: Letter) {
        let is_result = match &letter {
            Letter::Kept(row) if !self.known.insert(row.message.id) => return outbox.offered(),
            Letter::Kept(row) if self.pile(row.result).len() >= WAITING => {
                let id = row.message.id;
                self.known.remove(&id);
                outbox.left_behind.notify_one();
                return outbox.offered();
            }
            Letter::Kept(row) => row.result,
            // What is worth one offer is worth no long wait.
            Letter::Once(_) if self.rest.ready.len() >= AT_ONCE => return outbox.offered(),
            Letter::Once(_) => false,
        };
        self.pile(is_result).ready.push_back(Offer { letter, pause: RETRY_FIRST });
    }

    /// First offers before further ones, of which only some are on their way at once: relays that take nothing keep nobody waiting.
    fn next(&mut self, retrying: usize) -> Option<Offer> {
        let fresh = self.results.ready.pop_front().or_else(|| self.rest.ready.pop_front());
        let now = Instant::now();
        fresh.or_else(|| {
            (retrying < RETRIES_AT_ONCE)
                .then(|| self.results.due(now).or_else(|| self.rest.due(now)))?
        })
    }

    /// Everything here was offered at least once.
    fn is_calm(&self) -> bool {
        self.results.ready.is_empty() && self.rest.ready.is_empty()
    }

    fn wakes_at(&self) -> Option<Instant> {
        self.results.wakes_at().into_iter().chain(self.rest.wakes_at()).min()
    }

    /// Notes what came of an offer, and tells the job whose result it was.
    async fn settle(
        &mut self,
        shared: &Arc<Shared>,
        row: OutboxRow,
        pause: Duration,
        delivery: SendOutcome,
    ) {
        let id = row.message.id;
        let event = match delivery {
            SendOutcome::Retry if shared.clock.now() <= row.expires_at => {
                let offer = Offer { pause: (pause * 2).min(RETRY_MOST), letter: Letter::Kept(row) };
                let is_result = matches!(&offer.letter, Letter::Kept(row) if row.result);
                self.pile(is_result).later.insert((Instant::now() + pause, id), offer);
                return;
            }
            SendOutcome::Delivered => Event::Delivered,
            SendOutcome::Retry | SendOutcome::Refused => {
                tracing::warn!(job = %row.job.short(), "no relay takes a message of this job");
                Event::Undeliverable
            }
        };
        self.known.remove(&id);
        self.acknowledged.push(id);
        if row.result {
            let rows = self.acknowledged.drain(..).map(Row::Sent).collect();
            registry::tell(shared, row.job, Note::with(event, rows)).await;
        }
    }

    /// Takes from the journal what was left there. Is there more of it?
    fn look(&mut self, shared: &Shared) -> bool {
        let mut more = false;
        for is_result in [true, false] {
            let room = WAITING.saturating_sub(self.pile(is_result).len()).min(QUEUE);
            if room == 0 {
                shared.outbox.left_behind.notify_one();
                continue;
            }
            match shared.journal.unsent(is_result, self.known.len() + room) {
                Ok(mut rows) => {
                    rows.retain(|row| !self.known.contains(&row.message.id));
                    more |= rows.len() >= room;
                    rows.truncate(room);
                    for row in rows {
                        shared.outbox.fresh.fetch_add(1, Ordering::AcqRel);
                        self.take(&shared.outbox, Letter::Kept(row));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot look for unsent messages");
                    shared.outbox.left_behind.notify_one();
                }
            }
        }
        more
    }
}

pub(super) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Letter>) {
    let mut sending = FuturesUnordered::new();
    let mut desk = Desk::default();
    let mut note = tokio::time::interval(NOTE_AFTER);
    note.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Whatever an earlier run has left.
    let (mut more, mut sweep_at) = (true, None);
    let mut retrying = 0_usize;
    loop {
        if more && desk.is_calm() {
            more = desk.look(&shared);
        }
        while sending.len() < AT_ONCE
            && let Some(offer) = desk.next(retrying)
        {
            retrying += usize::from(!offer.is_fresh());
            sending.push(send(&shared, offer));
        }
        let wake =
            desk.wakes_at().filter(|_| sending.len() < AT_ONCE && retrying < RETRIES_AT_ONCE);
        tokio::select! {
            Some(letter) = queue.recv() => desk.take(&shared.outbox, letter),
            Some((outcome, fresh)) = sending.next() => {
                if let Outcome::Answered(row, pause, delivery) = outcome {
                    desk.settle(&shared, row, pause, delivery).await;
                }
                if fresh {
                    shared.outbox.offered();
                } else {
                    retrying = retrying.saturating_sub(1);
                }
            }
            () = until(wake) => {}
            () = shared.outbox.left_behind.notified(), if sweep_at.is_none() => sweep_at = Some(Instant::now() + SWEEP_AFTER),
            () = until(sweep_at) => (more, sweep_at) = (true, None),
            _ = note.tick(), if !desk.acknowledged.is_empty() => {
                let rows: Vec<_> = desk.acknowledged.drain(..).map(Row::Sent).collect();
                if let Err(error) = shared.journal.commit(rows.into()).await {
                    tracing::warn!(%error, "acknowledgements not noted: these messages may be sent again");
                }
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Offers a message. Was it for the first time?
async fn send(shared: &Shared, offer: Offer) -> (Outcome, bool) {
    let fresh = offer.is_fresh();
    let Offer { letter, pause } = offer;
    match letter {
        Letter::Once(sealed) => {
            shared.market.send(&sealed).await;
            (Outcome::Over, fresh)
        }
        Letter::Kept(row) if shared.clock.now() > row.expires_at => {
            (Outcome::Answered(row, pause, SendOutcome::Refused), fresh)
        }
        Letter::Kept(row) => {
            let delivery = shared.market.send(&row.message).await;
            (Outcome::Answered(row, pause, delivery), fresh)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use pylon_core::{JobId, UnixTime};

    fn row(number: u32, result: bool) -> OutboxRow {
        let mut name = [0; 32];
        name[..4].copy_from_slice(&number.to_le_bytes());
        let sealed = SignedMessage { id: MessageId::from_bytes(name), bytes: String::new() };
        OutboxRow {
            job: JobId::from_bytes([1; 32]),
            result,
            message: sealed,
            expires_at: UnixTime::new(9),
        }
    }

    fn number(offer: Option<Offer>) -> Option<u8> {
        match offer?.letter {
            Letter::Kept(row) => row.message.id.as_bytes().first().copied(),
            Letter::Once(_) => None,
        }
    }

    /// Goal: what relays do not take keeps nobody waiting, and results go first. Method: two of each sort, one of them to be offered again.
    #[test]
    fn first_offers_go_before_further_ones() {
        let (outbox, _queue) = Outbox::new();
        let mut desk = Desk::default();
        let again = |row: OutboxRow| Offer { letter: Letter::Kept(row), pause: RETRY_MOST };
        let past = Instant::now();
        desk.results.later.insert((past, row(1, true).message.id), again(row(1, true)));
        desk.rest.later.insert((past, row(2, false).message.id), again(row(2, false)));
        desk.take(&outbox, Letter::Kept(row(3, false)));
        desk.take(&outbox, Letter::Kept(row(4, true)));
        let next = |desk: &mut Desk, retrying| number(desk.next(retrying));
        assert_eq!([next(&mut desk, 0), next(&mut desk, 0)], [Some(4), Some(3)]);
        assert_eq!(next(&mut desk, RETRIES_AT_ONCE), None, "enough are on their way again");
        assert_eq!(
            [next(&mut desk, 0), next(&mut desk, 0), next(&mut desk, 0)],
            [Some(1), Some(2), None]
        );
    }

    /// Goal: memory is bounded, and what finds no room is looked for again. Method: one message more than there is room for, of each sort.
    #[test]
    fn what_finds_no_room_stays_in_the_journal() {
        let (outbox, _queue) = Outbox::new();
        let left_behind = || outbox.left_behind.notified().now_or_never().is_some();
        let mut desk = Desk::default();
        let hand_over = |desk: &mut Desk, letter| {
            outbox.fresh.fetch_add(1, Ordering::AcqRel);
            desk.take(&outbox, letter);
        };
        for count in 0..=u32::try_from(WAITING).unwrap() {
            assert!(!left_behind(), "{count}");
            hand_over(&mut desk, Letter::Kept(row(count, true)));
        }
        assert!(left_behind() && desk.results.len() == WAITING && desk.known.len() == WAITING);
        for count in 0..=AT_ONCE {
            let once = SignedMessage {
                id: row(u32::try_from(count).unwrap(), false).message.id,
                bytes: String::new(),
            };
            hand_over(&mut desk, Letter::Once(once));
        }
        assert_eq!(desk.rest.len(), AT_ONCE);
        assert_eq!(
            outbox.fresh.load(Ordering::Acquire),
            WAITING + AT_ONCE,
            "what was let go is not waited for"
        );
    }
}

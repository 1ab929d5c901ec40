//! What others ask for our kinds: their results and their feedback, read as they pass our relays. Nothing waits here, and nothing is kept but the
//! latest word of each.

use crate::nip90::{FEEDBACK_KIND, REQUEST_KINDS, RESULT_OFFSET, parse_price};
use nostr_sdk::prelude::{Event, EventId, Filter, Kind, PublicKey, Timestamp};
use pylon_core::UnixTime;
use pylon_core::decision::MarketView;
use pylon_core::price_index::{ObservedPrice, PriceIndex};
use pylon_core::recent::RecentSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The name of the subscription.
pub(super) const SUBSCRIPTION: &str = "pylon-asks";
/// Stored events for each filter: what careful relays give at most.
const STORED_MAX: usize = 500;
/// Requests whose kind is remembered, for feedback does not tell it.
const REMEMBERED: usize = 16_384;

/// What was heard.
#[derive(Debug)]
pub(super) struct PriceFeed {
    kinds: watch::Receiver<Arc<[u16]>>,
    requests: Mutex<RecentSet<(u16, EventId)>>,
    asks: Mutex<PriceIndex>,
    /// How an event of ours begins to name its author.
    ours: String,
}

impl PriceFeed {
    pub(super) fn new(us: PublicKey, kinds: watch::Receiver<Arc<[u16]>>) -> Self {
        let key = pylon_core::PublicKey::from_bytes(us.to_bytes());
        let (requests, asks) =
            (Mutex::new(RecentSet::new(REMEMBERED)), Mutex::new(PriceIndex::new(key)));
        Self { kinds, requests, asks, ours: format!("\"pubkey\":\"{}\"", us.to_hex()) }
    }

    /// A request passed, to whomever: feedback on it will be about this kind.
    pub(super) fn request(&self, event: &Event) {
        let request = (event.kind.as_u16(), event.id);
        // The library takes the id of a verified event as proof for whatever carries it. Only the hash proves it.
        if self.kinds.borrow().contains(&request.0)
            && !self.requests().holds(&request)
            && event.verify_id()
        {
            self.requests().remember(request);
        }
    }

    /// A result or feedback passed.
    pub(super) fn answer(&self, event: &Event) {
        let Some(asked) = parse_price(event).filter(|_| event.verify_id()) else { return };
        let job = EventId::from_byte_array(*asked.job.as_bytes());
        let about = |kind: &u16| match asked.kind {
            Some(known) => known == *kind,
            None => self.requests().holds(&(*kind, job)),
        };
        let Some(kind) = self.kinds.borrow().iter().copied().find(about) else { return };
        let ask =
            ObservedPrice { provider: asked.provider, kind, amount: asked.amount, at: asked.at };
        self.asks().observe(ask, super::now());
    }

    /// What we said ourselves comes back from each relay: recognised before anything is parsed or verified.
    pub(super) fn is_echo(&self, frame: &str) -> bool {
        frame.strip_prefix("[\"EVENT\",\"").is_some_and(|rest| rest.starts_with(SUBSCRIPTION))
            && frame.contains(&self.ours)
    }

    pub(super) fn view(&self, kind: u16, now: UnixTime) -> Option<MarketView> {
        self.asks().view(kind, now)
    }

    fn requests(&self) -> MutexGuard<'_, RecentSet<(u16, EventId)>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asks(&self) -> MutexGuard<'_, PriceIndex> {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pure: the filters for these kinds; none if we serve none.
pub(super) fn filters(kinds: &[u16], since: Timestamp, kinds_per_filter: usize) -> Vec<Filter> {
    let results: Vec<Kind> = kinds
        .iter()
        .filter(|kind| REQUEST_KINDS.contains(kind))
        .map(|kind| Kind::from_u16(kind + RESULT_OFFSET))
        .collect();
    if results.is_empty() {
        return Vec::new();
    }
    let feedback = Filter::new().kind(Kind::from_u16(FEEDBACK_KIND));
    let results =
        results.chunks(kinds_per_filter).map(|kinds| Filter::new().kinds(kinds.iter().copied()));
    results.chain([feedback]).map(|filter| filter.since(since).limit(STORED_MAX)).collect()
}

//! Prices of other providers for our kinds, read from their results and feedback on our relays.
//! Only the latest price of each provider is kept.

use crate::has_valid_id;
use crate::nip90::{FEEDBACK_KIND, REQUEST_KINDS, RESULT_OFFSET, parse_price};
use nostr_sdk::prelude::{Event, EventId, Filter, Kind, PublicKey, Timestamp};
use pylon_core::UnixTime;
use pylon_core::decision::MarketView;
use pylon_core::price_index::{ObservedPrice, PriceIndex};
use pylon_core::recent::RecentSet;
use pylon_core::sync::lock;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// The id of the subscription.
pub(super) const SUBSCRIPTION: &str = "pylon-prices";
/// Stored events per filter, which strict relays allow.
const STORED_MAX: usize = 500;
/// Requests whose kind is remembered, because feedback does not contain it.
const REMEMBERED_MAX: usize = 16_384;

/// The observed prices.
#[derive(Debug)]
pub(super) struct PriceFeed {
    kinds: watch::Receiver<Arc<[u16]>>,
    requests: Mutex<RecentSet<(u16, EventId)>>,
    prices: Mutex<PriceIndex>,
    /// The beginning of the author field in the JSON of our own events.
    ours: String,
}

impl PriceFeed {
    pub(super) fn new(us: PublicKey, kinds: watch::Receiver<Arc<[u16]>>) -> Self {
        let key = pylon_core::PublicKey::from_bytes(us.to_bytes());
        let (requests, prices) =
            (Mutex::new(RecentSet::new(REMEMBERED_MAX)), Mutex::new(PriceIndex::new(key)));
        Self { kinds, requests, prices, ours: format!("\"pubkey\":\"{}\"", us.to_hex()) }
    }

    /// A request to any provider: feedback about it refers to this kind.
    pub(super) fn request(&self, event: &Event) {
        let request = (event.kind.as_u16(), event.id);
        if self.kinds.borrow().contains(&request.0)
            && !self.requests().holds(&request)
            && has_valid_id(event)
        {
            self.requests().remember(request);
        }
    }

    /// A result or feedback of any provider.
    pub(super) fn answer(&self, event: &Event) {
        let Some(price) = parse_price(event).filter(|_| has_valid_id(event)) else { return };
        let job = EventId::from_byte_array(*price.job.as_bytes());
        let about = |kind: &u16| match price.kind {
            Some(known) => known == *kind,
            None => self.requests().holds(&(*kind, job)),
        };
        let Some(kind) = self.kinds.borrow().iter().copied().find(about) else { return };
        let observed =
            ObservedPrice { provider: price.provider, kind, amount: price.amount, at: price.at };
        self.prices().observe(observed, crate::now());
    }

    /// Each relay returns our own answers: they are recognised before they are parsed or verified.
    pub(super) fn is_echo(&self, frame: &str) -> bool {
        frame.strip_prefix("[\"EVENT\",\"").is_some_and(|rest| rest.starts_with(SUBSCRIPTION))
            && frame.contains(&self.ours)
    }

    pub(super) fn view(&self, kind: u16, now: UnixTime) -> Option<MarketView> {
        self.prices().view(kind, now)
    }

    fn requests(&self) -> MutexGuard<'_, RecentSet<(u16, EventId)>> {
        lock(&self.requests)
    }

    fn prices(&self) -> MutexGuard<'_, PriceIndex> {
        lock(&self.prices)
    }
}

/// Pure: the filters for these kinds. None without kinds.
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

//! The filters of our subscriptions, and the state of one subscription on one relay.
//!
//! There are several subscriptions, because relays differ in the size of filters that they accept,
//! and a relay that refuses a filter with every kind must still send the requests that we serve.

use super::options::Options;
use super::{price_feed, results};
use crate::nip90::{DELETION_KIND, REQUEST_KINDS};
use nostr_sdk::prelude::{EventId, Filter, Kind, PublicKey, SubscriptionId, Timestamp};
use pylon_core::UnixTime;
use pylon_core::admission::AGE_SECONDS_MAX;
use pylon_core::price_index::WINDOW_SECONDS;
use std::time::Duration;
use tokio::time::Instant;

/// Kinds per filter. All kinds of requests are then four filters, fewer than the ten that strict
/// relays allow per subscription.
const KINDS_PER_FILTER: usize = 250;
/// After a gap, events of this time before it are requested again: clocks differ, events are
/// delayed, and a dead connection is detected late.
const OVERLAP_SECONDS: u64 = 600;
/// Delay between two attempts at a relay that keeps closing the subscription.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// A subscription that lasted this long resets the backoff.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// The kind of a subscription. Its id is the same on every relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubscriptionKind {
    /// Requests of the served kinds, and deletions. Without it the node receives no jobs.
    Served,
    /// Requests of all other kinds that name us: they are answered with an error.
    Named,
    /// Results of other jobs that our jobs wait for.
    Results,
    /// Results and feedback of other providers for the served kinds, for their prices.
    Prices,
}

/// The inputs of the filters.
pub(super) struct Wanted<'a> {
    /// The kinds with a handler.
    pub(super) kinds: &'a [u16],
    /// The jobs whose results are awaited.
    pub(super) results: &'a [EventId],
    /// The public key of the node.
    pub(super) us: PublicKey,
    /// Requests since this time.
    pub(super) since: UnixTime,
}

impl SubscriptionKind {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Served, Self::Named, Self::Results, Self::Prices];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Served => "pylon",
            Self::Named => "pylon-named",
            Self::Results => "pylon-results",
            Self::Prices => price_feed::SUBSCRIPTION,
        }
    }

    /// Pure: the filters of one subscription, never more than relays accept. None if there is
    /// nothing to subscribe to.
    pub(super) fn filters(self, wanted: &Wanted<'_>) -> Vec<Filter> {
        let since = Timestamp::from_secs(wanted.since.get());
        match self {
            Self::Served => {
                let kinds: Vec<u16> =
                    std::iter::once(DELETION_KIND).chain(wanted.kinds.iter().copied()).collect();
                chunks(&kinds).map(|filter| filter.since(since)).collect()
            }
            Self::Named => {
                let others: Vec<u16> =
                    REQUEST_KINDS.filter(|kind| !wanted.kinds.contains(kind)).collect();
                chunks(&others).map(|filter| filter.pubkey(wanted.us).since(since)).collect()
            }
            Self::Results => results::filters(wanted.results, KINDS_PER_FILTER),
            Self::Prices => price_feed::filters(wanted.kinds, since, KINDS_PER_FILTER),
        }
    }

    /// Pure: the start of the subscription: the end of the previous one, but not earlier than
    /// events are useful.
    pub(super) fn since(
        self,
        flowed: Option<UnixTime>,
        now: UnixTime,
        begun_at: UnixTime,
    ) -> UnixTime {
        let earliest = match self {
            // Protects against a clock that was ahead: the node would otherwise receive nothing
            // until then.
            Self::Served | Self::Named | Self::Results => {
                now.minus(AGE_SECONDS_MAX).max(begun_at.min(now))
            }
            Self::Prices => now.minus(WINDOW_SECONDS),
        };
        flowed.map_or(earliest, |flowed| flowed.minus(OVERLAP_SECONDS)).max(earliest)
    }
}

fn chunks(kinds: &[u16]) -> impl Iterator<Item = Filter> {
    kinds
        .chunks(KINDS_PER_FILTER)
        .map(|kinds| Filter::new().kinds(kinds.iter().copied().map(Kind::from_u16)))
}

/// One subscription on one relay.
pub(super) struct Subscription {
    pub(super) kind: SubscriptionKind,
    pub(super) id: SubscriptionId,
    /// When the stored events ended and new ones began to arrive.
    live: Option<Instant>,
    /// When the subscription was last known to be live.
    flowed: Option<UnixTime>,
    retry_at: Option<Instant>,
    backoff: Duration,
    /// Attempts since the relay last sent anything.
    unanswered: u32,
    /// Is it open as far as the relay knows?
    open: bool,
}

impl Subscription {
    pub(super) fn new(kind: SubscriptionKind, options: &Options) -> Self {
        let id = SubscriptionId::new(kind.name());
        Self {
            kind,
            id,
            live: None,
            flowed: None,
            retry_at: None,
            backoff: options.backoff,
            unanswered: 0,
            open: false,
        }
    }

    pub(super) const fn is_live(&self) -> bool {
        self.live.is_some()
    }

    pub(super) const fn flowed(&self) -> Option<UnixTime> {
        self.flowed
    }

    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// A subscription was sent, or could not be sent. It is sent again after this time, unless it
    /// becomes live.
    pub(super) fn requested(&mut self, sent: bool, answer_timeout: Duration) {
        self.open |= sent;
        self.unanswered = self.unanswered.saturating_add(u32::from(sent));
        self.retry_at = Some(
            Instant::now() + if sent { answer_timeout.max(self.backoff) } else { self.backoff },
        );
    }

    pub(super) const fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// The relay has sent something.
    pub(super) fn answered(&mut self) {
        self.unanswered = 0;
    }

    /// The relay has sent all stored events. The subscription may be renewed after `renewal`.
    pub(super) fn flows(&mut self, renewal: Option<Duration>) {
        self.answered();
        self.retry_at = renewal.map(|after| Instant::now() + after);
        self.live = self.live.or_else(|| Some(Instant::now()));
    }

    /// The relay closed the subscription.
    pub(super) fn closed(&mut self, first_backoff: Duration) {
        if self.live.is_some_and(|since| since.elapsed() >= STABLE_AFTER) {
            self.backoff = first_backoff;
        }
        self.open = false;
        self.answered();
        self.retry_at = Some(Instant::now() + self.backoff);
    }

    /// The backoff has passed, and the subscription is sent again.
    pub(super) fn waited(&mut self) {
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }

    /// A new connection resets the backoff.
    pub(super) fn fresh(&mut self, first_backoff: Duration) {
        self.backoff = first_backoff;
    }

    /// The subscription ended. Was it live?
    pub(super) fn stopped(&mut self, now: UnixTime) -> bool {
        let flowed = self.live.take().is_some();
        if flowed {
            self.flowed = Some(now);
        }
        flowed
    }

    /// The times of this subscription are of another clock: the next one starts as early as the
    /// first.
    pub(super) fn forget_flow(&mut self) {
        self.flowed = None;
    }

    /// The connection is lost: the subscription is sent with the next one.
    pub(super) fn lost(&mut self) {
        self.answered();
        self.retry_at = None;
        self.open = false;
    }

    /// The subscription is not wanted any more. Must it be closed on the relay?
    pub(super) fn end(&mut self) -> bool {
        self.retry_at = None;
        std::mem::take(&mut self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nostr_sdk::Keys;
    use std::collections::BTreeSet;

    /// Goal: every kind is in exactly one filter, and no filter or subscription is larger than
    /// strict relays accept. Method: no kind served, one, two, and all of them.
    #[test]
    fn every_kind_is_in_one_filter() {
        let us = Keys::generate().public_key();
        for served in [vec![], vec![5050], vec![5050, 5932], REQUEST_KINDS.collect()] {
            let wanted = Wanted { kinds: &served, results: &[], us, since: UnixTime::new(7) };
            let of = |kind: SubscriptionKind| kind.filters(&wanted);
            let (open, named, prices) = (
                of(SubscriptionKind::Served),
                of(SubscriptionKind::Named),
                of(SubscriptionKind::Prices),
            );
            let kinds = |filters: &[Filter]| -> Vec<u16> {
                filters
                    .iter()
                    .flat_map(|filter| filter.kinds.iter().flatten().map(Kind::as_u16))
                    .collect()
            };
            assert!(of(SubscriptionKind::Results).is_empty());
            let all: Vec<u16> = [kinds(&open), kinds(&named)].concat();
            let unique: BTreeSet<u16> = all.iter().copied().collect();
            assert_eq!(all.len(), unique.len(), "once each");
            assert_eq!(unique, std::iter::once(DELETION_KIND).chain(REQUEST_KINDS).collect());
            for filter in open.iter().chain(&named) {
                assert!(
                    filter
                        .kinds
                        .as_ref()
                        .is_some_and(|kinds| (1..=KINDS_PER_FILTER).contains(&kinds.len()))
                );
                assert_eq!(filter.since, Some(Timestamp::from_secs(7)));
            }
            assert!(open.len() <= 5 && named.len() <= 5);
            // Results of each served kind, and all feedback.
            let results: Vec<u16> = served.iter().map(|kind| kind + 1000).chain([7000]).collect();
            assert_eq!(kinds(&prices), if served.is_empty() { Vec::new() } else { results });
            assert!(
                prices.len() <= 5
                    && prices
                        .iter()
                        .all(|filter| filter.limit == Some(500) && filter.since.is_some())
            );
            assert!(open.iter().all(|filter| filter.generic_tags.is_empty()));
            assert!(
                named.iter().all(|filter| filter
                    .generic_tags
                    .values()
                    .flatten()
                    .eq([&us.to_hex()]))
            );
        }
    }

    /// Goal: missed events are requested, but none that are useless. Method: never live, live a
    /// moment ago, and long ago; then the same for a node that started a while ago, and one whose
    /// clock was ahead.
    #[test]
    fn missed_events_are_requested() {
        let (begun_at, now) = (UnixTime::new(0), UnixTime::new(1_000_000));
        for (kind, flowed_ago, since_ago) in [
            (SubscriptionKind::Served, None, 3600),
            (SubscriptionKind::Served, Some(60), 660),
            (SubscriptionKind::Served, Some(9000), 3600),
            (SubscriptionKind::Prices, None, 86_400),
            (SubscriptionKind::Prices, Some(9000), 9600),
            (SubscriptionKind::Prices, Some(100_000), 86_400),
        ] {
            let flowed = flowed_ago.map(|ago| now.minus(ago));
            assert_eq!(
                kind.since(flowed, now, begun_at),
                now.minus(since_ago),
                "{kind:?} {flowed_ago:?}"
            );
        }
        let begun = now.minus(300);
        for (kind, flowed_ago, since_ago) in [
            (SubscriptionKind::Served, None, 300),
            (SubscriptionKind::Named, None, 300),
            (SubscriptionKind::Served, Some(60), 300),
            (SubscriptionKind::Prices, None, 86_400),
        ] {
            let flowed = flowed_ago.map(|ago| now.minus(ago));
            assert_eq!(
                kind.since(flowed, now, begun),
                now.minus(since_ago),
                "{kind:?} {flowed_ago:?}"
            );
        }
        let ahead = now.plus(86_400);
        assert_eq!(
            SubscriptionKind::Served.since(None, now, ahead),
            now,
            "the clock was ahead at the start"
        );
    }
}

//! What we ask relays to send us, as filters, and the state of one such subscription on one relay.
//!
//! Several subscriptions rather than one: relays differ in how large a filter they take, and one that refuses to look for every kind of a job
//! must not keep us from the jobs that we serve.

use super::{Options, price_feed, results};
use crate::nip90::{DELETION_KIND, REQUEST_KINDS};
use nostr_sdk::prelude::{EventId, Filter, Kind, PublicKey, SubscriptionId, Timestamp};
use pylon_core::UnixTime;
use pylon_core::admission::AGE_SECONDS_MAX;
use pylon_core::price_index::WINDOW_SECONDS;
use std::time::Duration;
use tokio::time::Instant;

/// Kinds in one filter. All kinds of jobs are then four filters, well below the ten that careful relays allow in one request.
const KINDS_PER_FILTER: usize = 250;
/// Asked for again after a gap: clocks differ, events travel, and a dead connection is noticed late.
const OVERLAP_SECONDS: u64 = 600;
/// Between two askings of a relay that keeps closing.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// A subscription that lived this long is no sign of trouble.
const STEADY: Duration = Duration::from_secs(60);

/// What a subscription is for. Its name is the same on every relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubscriptionKind {
    /// Requests of the kinds we serve, and withdrawals. Without it we are deaf.
    Served,
    /// Requests of every other kind that name us: who addressed us shall hear that we do not do that.
    Named,
    /// Results that jobs of ours wait for.
    Results,
    /// Results and feedback of others for the kinds we serve: what they ask.
    Prices,
}

/// What the filters of a subscription depend on.
pub(super) struct Wanted<'a> {
    /// The kinds with a handler.
    pub(super) kinds: &'a [u16],
    /// The jobs whose results are awaited.
    pub(super) results: &'a [EventId],
    /// Who we are.
    pub(super) us: PublicKey,
    /// From when on requests are looked for.
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

    /// Pure: the filters of one request, never more than relays take. None if there is nothing to ask for.
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

    /// Pure: from when on it is asked for: where it last flowed, if it did, and never from longer ago than is of use.
    pub(super) fn since(
        self,
        flowed: Option<UnixTime>,
        now: UnixTime,
        options: &Options,
    ) -> UnixTime {
        let earliest = match self {
            // A clock that was ahead once must not leave the node deaf until then.
            Self::Served | Self::Named | Self::Results => {
                now.minus(AGE_SECONDS_MAX).max(options.since.min(now))
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
    pub(super) purpose: SubscriptionKind,
    pub(super) id: SubscriptionId,
    /// Since when stored events are over and new ones flow.
    live: Option<Instant>,
    /// When it last was known to flow.
    flowed: Option<UnixTime>,
    ask_at: Option<Instant>,
    backoff: Duration,
    /// How often it was asked for since the relay last said anything.
    unanswered: u32,
    /// The relay may think that it is open.
    open: bool,
}

impl Subscription {
    pub(super) fn new(purpose: SubscriptionKind, options: &Options) -> Self {
        let id = SubscriptionId::new(purpose.name());
        Self {
            purpose,
            id,
            live: None,
            flowed: None,
            ask_at: None,
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

    pub(super) const fn ask_at(&self) -> Option<Instant> {
        self.ask_at
    }

    /// It was asked for, or could not be: asked again after this, unless it begins to flow.
    pub(super) fn asked(&mut self, sent: bool, patience: Duration) {
        self.open |= sent;
        self.unanswered = self.unanswered.saturating_add(u32::from(sent));
        self.ask_at =
            Some(Instant::now() + if sent { patience.max(self.backoff) } else { self.backoff });
    }

    pub(super) const fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// The relay speaks, whatever about.
    pub(super) fn answered(&mut self) {
        self.unanswered = 0;
    }

    /// The relay has sent what it had. It may be asked for once more after a while.
    pub(super) fn flows(&mut self, look: Option<Duration>) {
        self.answered();
        self.ask_at = look.map(|after| Instant::now() + after);
        self.live = self.live.or_else(|| Some(Instant::now()));
    }

    /// The relay closed it.
    pub(super) fn closed(&mut self, first_backoff: Duration) {
        if self.live.is_some_and(|since| since.elapsed() >= STEADY) {
            self.backoff = first_backoff;
        }
        self.open = false;
        self.answered();
        self.ask_at = Some(Instant::now() + self.backoff);
    }

    /// It is asked for once more after a wait.
    pub(super) fn waited(&mut self) {
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }

    /// A new connection: nothing is known against it.
    pub(super) fn fresh(&mut self, first_backoff: Duration) {
        self.backoff = first_backoff;
    }

    /// Nothing flows any more. Did it, until now?
    pub(super) fn stopped(&mut self) -> bool {
        let flowed = self.live.take().is_some();
        if flowed {
            self.flowed = Some(super::now());
        }
        flowed
    }

    /// The connection is gone: it is asked for with the next one.
    pub(super) fn lost(&mut self) {
        self.answered();
        self.ask_at = None;
        self.open = false;
    }

    /// It is not wanted any more. Does the relay have to be told?
    pub(super) fn end(&mut self) -> bool {
        self.ask_at = None;
        std::mem::take(&mut self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nostr_sdk::Keys;
    use std::collections::BTreeSet;

    /// Goal: every kind of a job is asked for exactly once, and no filter or request is larger than careful relays take. Method: no kind
    /// served, one, and all of them.
    #[test]
    fn every_kind_is_in_one_filter() {
        let us = Keys::generate().public_key();
        for served in [vec![], vec![5050], vec![5050, 5932], REQUEST_KINDS.collect()] {
            let wanted = Wanted { kinds: &served, results: &[], us, since: UnixTime::new(7) };
            let of = |purpose: SubscriptionKind| purpose.filters(&wanted);
            let (open, named, asks) = (
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
            // Results of each kind that we serve, and feedback, whatever it is about.
            let results: Vec<u16> = served.iter().map(|kind| kind + 1000).chain([7000]).collect();
            assert_eq!(kinds(&asks), if served.is_empty() { Vec::new() } else { results });
            assert!(
                asks.len() <= 5
                    && asks
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

    /// Goal: what was missed is asked for and nothing that is of no use. Method: never flowed, flowed a moment ago, and long ago; then the same of who
    /// began a while ago, and in a future that was none.
    #[test]
    fn a_gap_is_closed() {
        let (options, now) = (Options::default(), UnixTime::new(1_000_000));
        for (purpose, flowed_ago, since_ago) in [
            (SubscriptionKind::Served, None, 3600),
            (SubscriptionKind::Served, Some(60), 660),
            (SubscriptionKind::Served, Some(9000), 3600),
            (SubscriptionKind::Prices, None, 86_400),
            (SubscriptionKind::Prices, Some(9000), 9600),
            (SubscriptionKind::Prices, Some(100_000), 86_400),
        ] {
            let flowed = flowed_ago.map(|ago| now.minus(ago));
            assert_eq!(
                purpose.since(flowed, now, &options),
                now.minus(since_ago),
                "{purpose:?} {flowed_ago:?}"
            );
        }
        let begun = Options { since: now.minus(300), ..options };
        for (purpose, flowed_ago, since_ago) in [
            (SubscriptionKind::Served, None, 300),
            (SubscriptionKind::Named, None, 300),
            (SubscriptionKind::Served, Some(60), 300),
            (SubscriptionKind::Prices, None, 86_400),
        ] {
            let flowed = flowed_ago.map(|ago| now.minus(ago));
            assert_eq!(
                purpose.since(flowed, now, &begun),
                now.minus(since_ago),
                "{purpose:?} {flowed_ago:?}"
            );
        }
        let ahead = Options { since: now.plus(86_400), ..begun };
        assert_eq!(
            SubscriptionKind::Served.since(None, now, &ahead),
            now,
            "its clock was ahead when it began"
        );
    }
}

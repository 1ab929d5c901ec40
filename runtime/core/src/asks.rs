//! What other providers ask for the kinds that we do, as far as they say so in public.
//!
//! Each has one vote for each kind, its latest word, and only for a day: whoever says a thousand things moves the view no further than whoever says
//! one. Who makes many keys has many votes, though; a policy that follows the view needs bounds of its operator.

use crate::admission::MAX_AHEAD_SECONDS;
use crate::decision::MarketView;
use crate::{Msat, PublicKey, UnixTime};
use std::collections::HashMap;

/// What was asked longer ago says nothing about now.
pub const WINDOW_SECONDS: u64 = 24 * 60 * 60;
/// Fewer than these are no market.
pub const PROVIDERS_MIN: usize = 3;
/// Providers remembered for one kind; of more, those who spoke last.
pub const PROVIDERS_MAX: usize = 256;
/// Nobody asks more than a tenth of a bitcoin for a job and means it.
pub const ASK_MAX: Msat = Msat::new(10_000_000_000);

/// Somebody asked something for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who.
    pub provider: PublicKey,
    /// The kind of the job: 5000 to 5999.
    pub kind: u16,
    /// How much.
    pub amount: Msat,
    /// When, as the provider dates it.
    pub at: UnixTime,
}

/// The current ask of each provider for each kind.
#[derive(Debug)]
pub struct Asks {
    us: PublicKey,
    kinds: HashMap<u16, HashMap<PublicKey, (UnixTime, Msat)>>,
}

impl Asks {
    /// Nothing heard yet; what we ask ourselves never counts.
    pub fn new(us: PublicKey) -> Self {
        Self { us, kinds: HashMap::new() }
    }

    /// Takes note of an ask, or passes over it: our own, absurd, too old, dated ahead, or not the provider's latest. The order in which asks
    /// arrive makes no difference. Only for kinds that we do, of which there are at most a thousand.
    pub fn hear(&mut self, ask: Ask, now: UnixTime) {
        let is_timely = is_recent(ask.at, now) && ask.at <= now.plus(MAX_AHEAD_SECONDS);
        if ask.provider == self.us || ask.amount.is_zero() || ask.amount > ASK_MAX || !is_timely {
            return;
        }
        let asks = self.kinds.entry(ask.kind).or_default();
        let vote = asks.entry(ask.provider).or_insert((ask.at, ask.amount));
        *vote = (*vote).max((ask.at, ask.amount));
        if asks.len() > PROVIDERS_MAX
            && let Some(oldest) = asks
                .iter()
                .min_by_key(|(provider, (at, _))| (*at, **provider))
                .map(|(provider, _)| *provider)
        {
            asks.remove(&oldest);
        }
    }

    /// What is asked for this kind now; `None` where too few were heard.
    pub fn view(&self, kind: u16, now: UnixTime) -> Option<MarketView> {
        let asks = self.kinds.get(&kind)?.values().filter(|(at, _)| is_recent(*at, now));
        let mut amounts: Vec<Msat> = asks.map(|(_, amount)| *amount).collect();
        if amounts.len() < PROVIDERS_MIN {
            return None;
        }
        amounts.sort_unstable();
        let (low, high) = (*amounts.first()?, *amounts.last()?);
        // Of an even number the mean of the two in the middle; the bound on an ask keeps the sum small.
        let (upper, lower) =
            (amounts.get(amounts.len() / 2)?, amounts.get((amounts.len() - 1) / 2)?);
        let median = Msat::new(lower.saturating_add(*upper).get() / 2);
        Some(MarketView {
            offers: u32::try_from(amounts.len()).unwrap_or(u32::MAX),
            low,
            median,
            high,
        })
    }
}

fn is_recent(at: UnixTime, now: UnixTime) -> bool {
    at >= now.minus(WINDOW_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixTime = UnixTime::new(1_000_000);

    fn key(number: u64) -> PublicKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        PublicKey::from_bytes(bytes)
    }

    /// Who, how much, and how many seconds ago; provider 0 is us.
    type Said = (u64, u64, i64);
    /// Offers, low, median, high.
    type Seen = (u32, u64, u64, u64);

    fn heard(said: &[Said]) -> Asks {
        let mut asks = Asks::new(key(0));
        for (provider, amount, ago) in said {
            let at = UnixTime::new(NOW.get().checked_add_signed(-ago).unwrap());
            asks.hear(
                Ask { provider: key(*provider), kind: 5050, amount: Msat::new(*amount), at },
                NOW,
            );
        }
        asks
    }

    fn seen(said: &[Said]) -> Option<Seen> {
        let view = heard(said).view(5050, NOW)?;
        Some((view.offers, view.low.get(), view.median.get(), view.high.get()))
    }

    /// Goal: one current vote each, of others, recent and sane, or no view at all. Method: one rule a row.
    #[test]
    fn a_view_is_of_few_words() {
        let day = i64::try_from(WINDOW_SECONDS).unwrap();
        let most = ASK_MAX.get();
        let rows: [(&str, &[Said], Option<Seen>); 14] = [
            ("nothing", &[], None),
            ("two are no market", &[(1, 10, 5), (2, 20, 5)], None),
            ("three are", &[(1, 30, 5), (2, 10, 5), (3, 20, 5)], Some((3, 10, 20, 30))),
            (
                "four: the mean of the middle, rounded down",
                &[(1, 10, 5), (2, 13, 5), (3, 20, 5), (4, 99, 5)],
                Some((4, 10, 16, 99)),
            ),
            ("our own do not count", &[(0, 1, 5), (1, 10, 5), (2, 20, 5)], None),
            (
                "the latest counts",
                &[(1, 10, 5), (2, 20, 5), (3, 30, 5), (3, 90, 9), (3, 40, 1)],
                Some((3, 10, 20, 40)),
            ),
            (
                "a flood is one vote",
                &[(1, 10, 9), (2, 20, 9), (3, 1, 5), (3, 2, 4), (3, 3, 3), (3, 1, 2)],
                Some((3, 1, 10, 20)),
            ),
            ("nothing is no ask", &[(1, 10, 5), (2, 20, 5), (3, 0, 5)], None),
            (
                "as much as makes sense",
                &[(1, 10, 5), (2, 20, 5), (3, most, 5)],
                Some((3, 10, 20, most)),
            ),
            ("absurd", &[(1, 10, 5), (2, 20, 5), (3, most + 1, 5), (4, u64::MAX, 5)], None),
            (
                "an absurd word takes nothing back",
                &[(1, 10, 5), (2, 20, 5), (3, 30, 5), (3, u64::MAX, 1)],
                Some((3, 10, 20, 30)),
            ),
            ("a day old", &[(1, 10, day), (2, 20, 5), (3, 30, 5)], Some((3, 10, 20, 30))),
            ("older", &[(1, 10, day + 1), (2, 20, 5), (3, 30, 5)], None),
            (
                "dated ahead",
                &[(1, 10, -300), (2, 20, -301), (3, 30, 5), (4, 40, 0)],
                Some((3, 10, 30, 40)),
            ),
        ];
        for (what, said, expected) in rows {
            assert_eq!(seen(said), expected, "{what}");
        }
        let asks = heard(&[(1, 30, 5), (2, 10, 5), (3, 20, day)]);
        assert_eq!(asks.view(5051, NOW), None, "another kind");
        assert_eq!(asks.view(5050, NOW.plus(1)), None, "it grows old while nobody speaks");
    }

    /// Goal: memory is bounded, and who spoke last is in it. Method: twice as many as there is room for, the latest first and last.
    #[test]
    fn so_many_and_no_more() {
        let count = 2 * PROVIDERS_MAX as u64;
        let mut said: Vec<Said> = (1..=count).map(|n| (n, n, i64::try_from(n).unwrap())).collect();
        for _ in 0..2 {
            assert_eq!(heard(&said).kinds[&5050].len(), PROVIDERS_MAX);
            let most = PROVIDERS_MAX as u64;
            assert_eq!(seen(&said), Some((256, 1, most / 2, most)));
            said.reverse();
        }
    }

    proptest! {
        /// Goal: nothing depends on who is heard first, and nobody has two votes. Method: few providers, few dates and amounts, in any order.
        #[test]
        fn the_order_makes_no_difference(said in prop::collection::vec((0_u64..6, 0_u64..9, -400_i64..90_000), 0..40)) {
            let backwards: Vec<Said> = said.iter().rev().copied().collect();
            prop_assert_eq!(seen(&said), seen(&backwards));
            if let Some((offers, low, median, high)) = seen(&said) {
                prop_assert!((3..=5).contains(&offers) && 1 <= low && low <= median && median <= high);
            }
        }

        /// Goal: one key moves the view by one vote. Method: a market of five, then a flood by a sixth: the median stays between its neighbours.
        #[test]
        fn a_flood_is_one_vote(flood in prop::collection::vec((1_u64..u64::MAX, 0_i64..90_000), 1..200)) {
            let mut said: Vec<Said> = (1..=5).map(|n| (n, n * 100, 5)).collect();
            said.extend(flood.into_iter().map(|(amount, ago)| (6, amount, ago)));
            let (offers, _, median, _) = seen(&said).unwrap();
            prop_assert!(offers <= 6 && (250..=350).contains(&median), "{}", median);
        }
    }
}

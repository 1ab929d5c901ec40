//! The public prices of other providers for the kinds that this node serves.
//!
//! Each provider has one vote per kind, its latest price within a day, so a burst of announcements
//! moves the view no further than one. A provider with many keys has many votes, though: a policy
//! that follows the view needs limits of its operator.

use crate::admission::AHEAD_SECONDS_MAX;
use crate::decision::MarketView;
use crate::{Msat, PublicKey, UnixTime};
use std::collections::HashMap;

/// Older prices do not count.
pub const WINDOW_SECONDS: u64 = 24 * 60 * 60;
/// With fewer providers there is no view.
pub const PROVIDERS_MIN: usize = 3;
/// Providers kept for one kind: those with the latest prices.
pub const PROVIDERS_MAX: usize = 256;
/// Higher prices are ignored (a tenth of a bitcoin).
pub const PRICE_MAX: Msat = Msat::new(10_000_000_000);

/// A price announced by another provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObservedPrice {
    /// The provider.
    pub provider: PublicKey,
    /// The kind of the job: 5000 to 5999.
    pub kind: u16,
    /// The price.
    pub amount: Msat,
    /// As dated by the provider.
    pub at: UnixTime,
}

/// The current price of each provider for each kind.
#[derive(Debug)]
pub struct PriceIndex {
    us: PublicKey,
    kinds: HashMap<u16, HashMap<PublicKey, (UnixTime, Msat)>>,
}

impl PriceIndex {
    /// An empty index. Prices of this node itself never count.
    pub fn new(us: PublicKey) -> Self {
        Self { us, kinds: HashMap::new() }
    }

    /// Adds a price, unless it is our own, zero, absurd, too old, dated in the future, or older
    /// than the provider's current one. The order of the calls makes no difference. To be called
    /// only for served kinds, of which there are at most a thousand.
    pub fn observe(&mut self, price: ObservedPrice, now: UnixTime) {
        let is_timely = is_recent(price.at, now) && price.at <= now.plus(AHEAD_SECONDS_MAX);
        if price.provider == self.us
            || price.amount.is_zero()
            || price.amount > PRICE_MAX
            || !is_timely
        {
            return;
        }
        let prices = self.kinds.entry(price.kind).or_default();
        let vote = prices.entry(price.provider).or_insert((price.at, price.amount));
        *vote = (*vote).max((price.at, price.amount));
        if prices.len() > PROVIDERS_MAX
            && let Some(oldest) = prices
                .iter()
                .min_by_key(|(provider, (at, _))| (*at, **provider))
                .map(|(provider, _)| *provider)
        {
            prices.remove(&oldest);
        }
    }

    /// The prices for this kind now; `None` if there are too few.
    pub fn view(&self, kind: u16, now: UnixTime) -> Option<MarketView> {
        let prices = self.kinds.get(&kind)?.values().filter(|(at, _)| is_recent(*at, now));
        let mut amounts: Vec<Msat> = prices.map(|(_, amount)| *amount).collect();
        if amounts.len() < PROVIDERS_MIN {
            return None;
        }
        amounts.sort_unstable();
        let (low, high) = (*amounts.first()?, *amounts.last()?);
        // Of an even number the mean of the middle two; the limit of a price prevents an overflow.
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

    /// Provider (0 is this node), amount, and age in seconds.
    type Price = (u64, u64, i64);
    /// Offers, low, median, high.
    type View = (u32, u64, u64, u64);

    fn index(prices: &[Price]) -> PriceIndex {
        let mut index = PriceIndex::new(key(0));
        for (provider, amount, ago) in prices {
            let at = UnixTime::new(NOW.get().checked_add_signed(-ago).unwrap());
            index.observe(
                ObservedPrice {
                    provider: key(*provider),
                    kind: 5050,
                    amount: Msat::new(*amount),
                    at,
                },
                NOW,
            );
        }
        index
    }

    fn view(prices: &[Price]) -> Option<View> {
        let view = index(prices).view(5050, NOW)?;
        Some((view.offers, view.low.get(), view.median.get(), view.high.get()))
    }

    /// Goal: one current, plausible vote of each other provider, or no view. Method: one rule per
    /// row.
    #[test]
    fn view_counts_one_current_price_per_provider() {
        let day = i64::try_from(WINDOW_SECONDS).unwrap();
        let most = PRICE_MAX.get();
        let rows: [(&str, &[Price], Option<View>); 14] = [
            ("no prices", &[], None),
            ("two are too few", &[(1, 10, 5), (2, 20, 5)], None),
            ("three are enough", &[(1, 30, 5), (2, 10, 5), (3, 20, 5)], Some((3, 10, 20, 30))),
            (
                "four: the mean of the middle, rounded down",
                &[(1, 10, 5), (2, 13, 5), (3, 20, 5), (4, 99, 5)],
                Some((4, 10, 16, 99)),
            ),
            ("our own does not count", &[(0, 1, 5), (1, 10, 5), (2, 20, 5)], None),
            (
                "the latest counts",
                &[(1, 10, 5), (2, 20, 5), (3, 30, 5), (3, 90, 9), (3, 40, 1)],
                Some((3, 10, 20, 40)),
            ),
            (
                "a burst is one vote",
                &[(1, 10, 9), (2, 20, 9), (3, 1, 5), (3, 2, 4), (3, 3, 3), (3, 1, 2)],
                Some((3, 1, 10, 20)),
            ),
            ("zero is ignored", &[(1, 10, 5), (2, 20, 5), (3, 0, 5)], None),
            (
                "the highest plausible price",
                &[(1, 10, 5), (2, 20, 5), (3, most, 5)],
                Some((3, 10, 20, most)),
            ),
            ("absurd", &[(1, 10, 5), (2, 20, 5), (3, most + 1, 5), (4, u64::MAX, 5)], None),
            (
                "an absurd price replaces nothing",
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
        for (what, prices, expected) in rows {
            assert_eq!(view(prices), expected, "{what}");
        }
        let index = index(&[(1, 30, 5), (2, 10, 5), (3, 20, day)]);
        assert_eq!(index.view(5051, NOW), None, "another kind");
        assert_eq!(index.view(5050, NOW.plus(1)), None, "prices expire");
    }

    /// Goal: memory is bounded, and the latest prices are kept. Method: twice as many providers as
    /// fit, in both orders.
    #[test]
    fn keeps_the_latest_prices_up_to_the_limit() {
        let count = 2 * PROVIDERS_MAX as u64;
        let mut prices: Vec<Price> =
            (1..=count).map(|n| (n, n, i64::try_from(n).unwrap())).collect();
        for _ in 0..2 {
            assert_eq!(index(&prices).kinds[&5050].len(), PROVIDERS_MAX);
            let most = PROVIDERS_MAX as u64;
            assert_eq!(view(&prices), Some((256, 1, most / 2, most)));
            prices.reverse();
        }
    }

    proptest! {
        /// Goal: the order makes no difference, and no provider has two votes. Method: few
        /// providers, dates and amounts, in any order.
        #[test]
        fn order_makes_no_difference(
            prices in prop::collection::vec((0_u64..6, 0_u64..9, -400_i64..90_000), 0..40),
        ) {
            let backwards: Vec<Price> = prices.iter().rev().copied().collect();
            prop_assert_eq!(view(&prices), view(&backwards));
            if let Some((offers, low, median, high)) = view(&prices) {
                prop_assert!((3..=5).contains(&offers));
                prop_assert!(1 <= low && low <= median && median <= high);
            }
        }

        /// Goal: one key moves the view by one vote. Method: five providers and a burst of a sixth:
        /// the median stays between its neighbours.
        #[test]
        fn burst_is_one_vote(
            burst in prop::collection::vec((1_u64..u64::MAX, 0_i64..90_000), 1..200),
        ) {
            let mut prices: Vec<Price> = (1..=5).map(|n| (n, n * 100, 5)).collect();
            prices.extend(burst.into_iter().map(|(amount, ago)| (6, amount, ago)));
            let (offers, _, median, _) = view(&prices).unwrap();
            prop_assert!(offers <= 6 && (250..=350).contains(&median), "{}", median);
        }
    }
}

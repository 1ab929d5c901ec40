//! The price by tokens, moved to where others are: `token price × (median of others' asks × relative ÷ what a typical job costs here)`.
//!
//! Others ask for jobs whose size we do not see, so their median sets the level and the tokens the shape. The level stays within the operator's floor
//! and ceiling whatever anybody asks, and is the plain one where the market is not known. Making asks is cheap: trust the bounds, not the view.

#![no_std]

extern crate alloc;

use pylon_guest::description::About;
use pylon_guest::pricing::{Context, Offer, Pricing};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};
use pylon_policies::tariff::{self, Number, PLAIN, Senseless, Tariff, times};

const OWN: [Number; 4] = [
    ("relative-permille", "1000", 10_000, "Of the median, to 10000."),
    ("floor-permille", "500", 100_000, "Of the price by tokens, never less, to 100000."),
    ("ceiling-permille", "2000", 100_000, "Never more; at least the floor."),
    ("typical-input-tokens", "500", 10_000_000, "Read by a job that costs the median, to 10^7."),
];

struct MarketPricing;

impl Pricing for MarketPricing {
    fn describe() -> About {
        tariff::about("market_pricing", "A price by tokens, at the level of others.", &OWN)
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        let tariff = Tariff::read(situation, &OWN)?;
        let [_, floor, ceiling, ..] = tariff.own;
        if floor > ceiling {
            return Err(Senseless(OWN[1].0).into());
        }
        tariff.quote(job, context, factor(&tariff, context), false)
    }

    fn settle(
        _: &Job,
        context: &Context,
        offer: &Offer,
        route: &Route,
        usage: &Usage,
        situation: &Situation,
    ) -> Msat {
        // The quote was made with these settings, so they read; if not, what was not agreed on is not charged.
        Tariff::read(situation, &OWN)
            .map_or(0, |tariff| tariff.settle(offer, route, usage, factor(&tariff, context)))
    }
}

#[inline(never)]
fn factor(tariff: &Tariff, context: &Context) -> u64 {
    let [relative, floor, ceiling, typical_input, _] = tariff.own;
    // Who gives everything away has no level.
    let level = context.market.as_ref().and_then(|market| {
        times(market.median_msat, relative).checked_div(tariff.plain(typical_input))
    });
    level.unwrap_or(PLAIN).max(floor).min(ceiling)
}

pylon_guest::pricing::export!(MarketPricing);

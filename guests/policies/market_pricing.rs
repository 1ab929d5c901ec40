//! The price per token at the level of other providers.
//!
//! `factor = median of others' prices × relative ÷ price of a typical job here`
//!
//! The sizes of other providers' jobs are unknown, so their median sets only the level. The factor
//! is neutral without a market. It always stays between the operator's floor and ceiling: anyone
//! can publish prices, so do not rely on the market alone.

#![no_std]

extern crate alloc;

use pylon_guest::InvalidSetting;
use pylon_guest::description::Manifest;
use pylon_guest::pricing::{Context, Offer, Pricing};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};
use pylon_policies::tariff::{self, NEUTRAL_PERMILLE, Number, Tariff};

const RELATIVE: Number = Number {
    name: "relative-permille",
    default: "1000",
    max: 10_000,
    help: "Price level relative to the median, up to 10000.",
};
const FLOOR: Number = Number {
    name: "floor-permille",
    default: "500",
    max: 100_000,
    help: "Lowest factor on the price per token, up to 100000.",
};
const CEILING: Number = Number {
    name: "ceiling-permille",
    default: "2000",
    max: 100_000,
    help: "Highest factor, at least the floor, up to 100000.",
};
const TYPICAL_INPUT: Number = Number {
    name: "typical-input-tokens",
    default: "500",
    max: 10_000_000,
    help: "Tokens read by a job that costs the median, up to 10^7.",
};

struct MarketPricing;

/// The operator's settings.
struct Settings {
    tariff: Tariff,
    relative_permille: u64,
    floor_permille: u64,
    ceiling_permille: u64,
    typical_input_tokens: u64,
}

impl Settings {
    fn read(situation: &Situation) -> Result<Self, InvalidSetting> {
        let settings = situation.settings();
        let read = Self {
            tariff: Tariff::read(settings)?,
            relative_permille: RELATIVE.read(settings)?,
            floor_permille: FLOOR.read(settings)?,
            ceiling_permille: CEILING.read(settings)?,
            typical_input_tokens: TYPICAL_INPUT.read(settings)?,
        };
        if read.floor_permille > read.ceiling_permille {
            return Err(InvalidSetting::new(FLOOR.name));
        }
        Ok(read)
    }

    fn factor(&self, context: &Context) -> u64 {
        // There is no level if all jobs are free.
        let level = context.market.as_ref().and_then(|market| {
            let median = market.median_msat.saturating_mul(self.relative_permille);
            median.checked_div(self.tariff.typical_price(self.typical_input_tokens))
        });
        level.unwrap_or(NEUTRAL_PERMILLE).clamp(self.floor_permille, self.ceiling_permille)
    }
}

impl Pricing for MarketPricing {
    fn describe() -> Manifest {
        let own = [&RELATIVE, &FLOOR, &CEILING, &TYPICAL_INPUT];
        tariff::manifest("market_pricing", "A price per token at the level of others.", &own)
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        let settings = Settings::read(situation)?;
        settings.tariff.quote(job, context, settings.factor(context))
    }

    fn settle(
        _: &Job,
        context: &Context,
        offer: &Offer,
        route: &Route,
        usage: &Usage,
        situation: &Situation,
    ) -> Msat {
        // The quote was made with the same settings, so they are valid.
        Settings::read(situation).map_or(0, |settings| {
            settings.tariff.settle(offer, route, usage, settings.factor(context))
        })
    }
}

pylon_guest::pricing::export!(MarketPricing);

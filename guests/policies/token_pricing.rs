//! A price by tokens and nothing else: [`pylon_policies::tariff`] as it is.

#![no_std]

extern crate alloc;

use pylon_guest::description::About;
use pylon_guest::pricing::{Context, Offer, Pricing};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};
use pylon_policies::tariff::{self, PLAIN, Tariff};

struct TokenPricing;

impl Pricing for TokenPricing {
    fn describe() -> About {
        tariff::about("token_pricing", "A price by tokens read and written.", &[])
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        Tariff::read(situation, &[])?.quote(job, context, PLAIN, false)
    }

    fn settle(
        _: &Job,
        _: &Context,
        offer: &Offer,
        route: &Route,
        usage: &Usage,
        situation: &Situation,
    ) -> Msat {
        // The quote was made with these settings, so they read; if not, what was not agreed on is not charged.
        Tariff::read(situation, &[]).map_or(0, |tariff| tariff.settle(offer, route, usage, PLAIN))
    }
}

pylon_guest::pricing::export!(TokenPricing);

//! A price per token: [`pylon_policies::tariff`] without a factor of its own.

#![no_std]

extern crate alloc;

use pylon_guest::description::Manifest;
use pylon_guest::pricing::{Context, Offer, Pricing};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};
use pylon_policies::tariff::{self, NEUTRAL_PERMILLE, Tariff};

struct TokenPricing;

impl Pricing for TokenPricing {
    fn describe() -> Manifest {
        tariff::manifest("token_pricing", "A price per token read and written.", &[])
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        Tariff::read(situation.settings())?.quote(job, context, NEUTRAL_PERMILLE)
    }

    fn settle(
        _: &Job,
        _: &Context,
        offer: &Offer,
        route: &Route,
        usage: &Usage,
        situation: &Situation,
    ) -> Msat {
        // The quote was made with the same settings, so they are valid.
        Tariff::read(situation.settings())
            .map_or(0, |tariff| tariff.settle(offer, route, usage, NEUTRAL_PERMILLE))
    }
}

pylon_guest::pricing::export!(TokenPricing);

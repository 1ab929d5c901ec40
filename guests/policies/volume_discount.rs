//! The price by tokens, less for who paid much within the last 30 days: something off for each step of what was paid, up to a most.

#![no_std]

extern crate alloc;

use pylon_guest::description::About;
use pylon_guest::pricing::{Context, Offer, Pricing};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};
use pylon_policies::tariff::{self, Number, PLAIN, Tariff, times};

const OWN: [Number; 3] = [
    (
        "step-msat",
        "10000000",
        1_000_000_000_000,
        "Paid in 30 days for each step, to 10^12; 0: none.",
    ),
    ("step-permille", "20", 1000, "Off for each step, to 1000."),
    ("discount-max-permille", "200", 1000, "Off at most, to 1000."),
];

struct VolumeDiscount;

impl Pricing for VolumeDiscount {
    fn describe() -> About {
        tariff::about("volume_discount", "A price by tokens, less for who paid much lately.", &OWN)
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        let tariff = Tariff::read(situation, &OWN)?;
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

fn factor(tariff: &Tariff, context: &Context) -> u64 {
    let [step_msat, step, most, ..] = tariff.own;
    let steps = context.customer.recent_paid_msat.checked_div(step_msat).unwrap_or(0);
    PLAIN - times(steps, step).min(most)
}

pylon_guest::pricing::export!(VolumeDiscount);

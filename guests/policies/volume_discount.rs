//! The price per token with a discount for customers who paid much in the last 30 days: a fixed
//! part for each step of the amount, up to a maximum.

#![no_std]

extern crate alloc;

use pylon_guest::InvalidSetting;
use pylon_guest::description::Manifest;
use pylon_guest::pricing::{Context, Offer, Pricing};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};
use pylon_policies::tariff::{self, NEUTRAL_PERMILLE, Number, Tariff};

const STEP: Number = Number {
    name: "step-msat",
    default: "10000000",
    max: 1_000_000_000_000,
    help: "Amount paid in 30 days for each step, up to 10^12; 0: no discount.",
};
const STEP_DISCOUNT: Number = Number {
    name: "step-permille",
    default: "20",
    max: 1000,
    help: "Discount for each step, up to 1000.",
};
const DISCOUNT_MAX: Number = Number {
    name: "discount-max-permille",
    default: "200",
    max: 1000,
    help: "Highest discount, up to 1000.",
};

struct VolumeDiscount;

/// The operator's settings.
struct Settings {
    tariff: Tariff,
    step_msat: Msat,
    step_permille: u64,
    discount_max_permille: u64,
}

impl Settings {
    fn read(situation: &Situation) -> Result<Self, InvalidSetting> {
        let settings = situation.settings();
        Ok(Self {
            tariff: Tariff::read(settings)?,
            step_msat: STEP.read(settings)?,
            step_permille: STEP_DISCOUNT.read(settings)?,
            discount_max_permille: DISCOUNT_MAX.read(settings)?,
        })
    }

    fn factor(&self, context: &Context) -> u64 {
        let steps = context.customer.recent_paid_msat.checked_div(self.step_msat).unwrap_or(0);
        let discount = steps.saturating_mul(self.step_permille).min(self.discount_max_permille);
        NEUTRAL_PERMILLE - discount
    }
}

impl Pricing for VolumeDiscount {
    fn describe() -> Manifest {
        let own = [&STEP, &STEP_DISCOUNT, &DISCOUNT_MAX];
        tariff::manifest("volume_discount", "A price per token with a volume discount.", &own)
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

pylon_guest::pricing::export!(VolumeDiscount);

//! The price by tokens with a premium that grows with the work that we have delivered, and without credit for those who did not pay.
//!
//! A customer's unpaid jobs count as far as they are more than a forgiven part of all that was delivered to it: first it pays beforehand, then it is
//! not served. A customer is a key, and a new key is a stranger: who wants no risk with strangers either sets `unpaid-before-work` to 0.

#![no_std]

extern crate alloc;

use pylon_guest::description::About;
use pylon_guest::pricing::{Context, Offer, Pricing};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};
use pylon_policies::tariff::{self, Number, PLAIN, Tariff};

const OWN: [Number; 5] = [
    ("premium-per-100-permille", "10", 1000, "Added for 100 jobs done, to 1000."),
    ("premium-max-permille", "300", 10_000, "Added at most, to 10000."),
    ("forgiven-permille", "50", 1000, "Of jobs, may stay unpaid, to 1000."),
    ("unpaid-before-work", "1", 1_000_000, "From so many unpaid on: money first."),
    ("unpaid-blocked", "3", 1_000_000, "From so many on: not served; 0: never."),
];

struct ReputationPricing;

impl Pricing for ReputationPricing {
    fn describe() -> About {
        tariff::about("reputation_pricing", "A price by tokens and record.", &OWN)
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        let tariff = Tariff::read(situation, &OWN)?;
        let [.., forgiven, before_work, blocked] = tariff.own;
        let customer = &context.customer;
        let unpaid = u64::from(customer.jobs_unpaid)
            .saturating_sub(u64::from(customer.jobs_completed) * forgiven / 1000);
        if blocked != 0 && unpaid >= blocked {
            return Err(Refusal::Blocked);
        }
        tariff.quote(job, context, factor(&tariff, context), unpaid >= before_work)
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
    let [per_100, most, ..] = tariff.own;
    PLAIN + (u64::from(context.ours.jobs_completed) * per_100 / 100).min(most)
}

pylon_guest::pricing::export!(ReputationPricing);

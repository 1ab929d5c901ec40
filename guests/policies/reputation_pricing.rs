//! The price per token with a premium for this provider's record, and no credit for customers who
//! did not pay.
//!
//! A part of a customer's unpaid jobs is forgiven. With more than that, the customer first has to
//! pay before the work, and is then not served. A customer is a public key, and new keys are free:
//! set `unpaid-before-work` to 0 to require payment before the work from everyone.

#![no_std]

extern crate alloc;

use pylon_guest::InvalidSetting;
use pylon_guest::description::Manifest;
use pylon_guest::pricing::{Context, History, Offer, Pricing};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};
use pylon_policies::tariff::{self, NEUTRAL_PERMILLE, Number, Tariff};

const PREMIUM: Number = Number {
    name: "premium-per-100-permille",
    default: "10",
    max: 1000,
    help: "Premium for each 100 delivered jobs of the kind, up to 1000.",
};
const PREMIUM_MAX: Number = Number {
    name: "premium-max-permille",
    default: "300",
    max: 10_000,
    help: "Highest premium, up to 10000.",
};
const FORGIVEN: Number = Number {
    name: "forgiven-permille",
    default: "50",
    max: 1000,
    help: "Part of a customer's jobs that can stay unpaid, up to 1000.",
};
const UNPAID_BEFORE_WORK: Number = Number {
    name: "unpaid-before-work",
    default: "1",
    max: 1_000_000,
    help: "Number of unpaid jobs at which payment before the work is required, up to 10^6.",
};
const UNPAID_BLOCKED: Number = Number {
    name: "unpaid-blocked",
    default: "3",
    max: 1_000_000,
    help: "Number of unpaid jobs at which the customer is no longer served, up to 10^6; 0: never.",
};

struct ReputationPricing;

/// The operator's settings.
struct Settings {
    tariff: Tariff,
    premium_per_100_permille: u64,
    premium_max_permille: u64,
    forgiven_permille: u64,
    unpaid_before_work: u64,
    unpaid_blocked: u64,
}

impl Settings {
    fn read(situation: &Situation) -> Result<Self, InvalidSetting> {
        let settings = situation.settings();
        Ok(Self {
            tariff: Tariff::read(settings)?,
            premium_per_100_permille: PREMIUM.read(settings)?,
            premium_max_permille: PREMIUM_MAX.read(settings)?,
            forgiven_permille: FORGIVEN.read(settings)?,
            unpaid_before_work: UNPAID_BEFORE_WORK.read(settings)?,
            unpaid_blocked: UNPAID_BLOCKED.read(settings)?,
        })
    }

    fn factor(&self, context: &Context) -> u64 {
        let jobs = u64::from(context.ours.jobs_completed);
        let premium = jobs * self.premium_per_100_permille / 100;
        NEUTRAL_PERMILLE + premium.min(self.premium_max_permille)
    }

    /// Unpaid jobs that are not forgiven.
    fn unpaid(&self, customer: &History) -> u64 {
        let forgiven = u64::from(customer.jobs_completed) * self.forgiven_permille / 1000;
        u64::from(customer.jobs_unpaid).saturating_sub(forgiven)
    }
}

impl Pricing for ReputationPricing {
    fn describe() -> Manifest {
        let own = [&PREMIUM, &PREMIUM_MAX, &FORGIVEN, &UNPAID_BEFORE_WORK, &UNPAID_BLOCKED];
        tariff::manifest("reputation_pricing", "A price per token with a premium.", &own)
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        let settings = Settings::read(situation)?;
        let (unpaid, factor) = (settings.unpaid(&context.customer), settings.factor(context));
        if settings.unpaid_blocked != 0 && unpaid >= settings.unpaid_blocked {
            return Err(Refusal::Blocked);
        }
        if unpaid >= settings.unpaid_before_work {
            return settings.tariff.with_prepayment().quote(job, context, factor);
        }
        settings.tariff.quote(job, context, factor)
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

pylon_guest::pricing::export!(ReputationPricing);

//! Decides what a job costs: a base price and a price per 1000 tokens.

#![no_std]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use pylon_guest::InvalidSetting;
use pylon_guest::description::{Manifest, Setting};
use pylon_guest::pricing::{Context, Offer, Pricing, Terms};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};

struct Policy;

impl Pricing for Policy {
    fn describe() -> Manifest {
        let settings = [
            Setting::new("base-msat", "1000", "Price of any job, in msat."),
            Setting::new("per-1k-msat", "500", "Price of 1000 tokens read or written, in msat."),
            Setting::new("max-tokens", "512", "Upper limit of tokens written."),
        ];
        Manifest::policy(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "A price per token.",
            settings.into(),
        )
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        // Settings first: an invalid value is then found when the policy is installed.
        let tariff = Tariff::read(situation)?;
        let max_output_tokens =
            job.params().u64("max_tokens", tariff.max_tokens).clamp(1, tariff.max_tokens);
        // Without a wallet, all jobs are free.
        let terms = if context.terms.contains(&Terms::OnDelivery) {
            Terms::OnDelivery
        } else {
            Terms::Free
        };
        let price_msat = match terms {
            Terms::Free => 0,
            _ => tariff.price(&context.route, context.input_tokens_estimate, max_output_tokens),
        };
        if job.bid_msat.is_some_and(|bid| bid < price_msat) {
            return Err(Refusal::BidTooLow(price_msat));
        }
        // The tokens read are an estimate: a job that reads more can cost up to the bid.
        let cap_msat = match (terms, job.bid_msat) {
            (Terms::OnDelivery, Some(bid)) => bid.min(context.max_receivable_msat).max(price_msat),
            _ => price_msat,
        };
        Ok(Offer {
            terms,
            price_msat,
            cap_msat,
            max_output_tokens,
            max_work_ms: 60_000,
            valid_seconds: 600,
            priority: 0,
            note: note(context, max_output_tokens),
        })
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
        let Ok(tariff) = Tariff::read(situation) else { return 0 };
        tariff.price(route, usage.input_tokens, usage.output_tokens).min(offer.cap_msat)
    }
}

/// The operator's settings.
struct Tariff {
    base_msat: Msat,
    per_1k_msat: Msat,
    max_tokens: u64,
}

impl Tariff {
    fn read(situation: &Situation) -> Result<Self, InvalidSetting> {
        let settings = situation.settings();
        Ok(Self {
            base_msat: settings.setting("base-msat")?,
            per_1k_msat: settings.setting("per-1k-msat")?,
            max_tokens: settings.setting::<u64>("max-tokens")?.max(1),
        })
    }

    /// With the operator's price factor of the route.
    fn price(&self, route: &Route, input_tokens: u64, output_tokens: u64) -> Msat {
        let tokens = input_tokens.saturating_add(output_tokens);
        let price = self.base_msat.saturating_add(tokens.saturating_mul(self.per_1k_msat) / 1000);
        price.saturating_mul(route.price_permille.into()) / 1000
    }
}

/// One line for the operator's log.
fn note(context: &Context, max_output_tokens: u64) -> String {
    let input_tokens = context.input_tokens_estimate;
    format!("price per token: about {input_tokens} read, at most {max_output_tokens} written")
}

pylon_guest::pricing::export!(Policy);

//! What a job costs: so much for any job, and so much for 1000 tokens.

#![no_std]

use pylon_guest::description::{About, Setting};
use pylon_guest::pricing::{Context, Offer, Pricing, Terms};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};

struct Policy;

impl Pricing for Policy {
    fn describe() -> About {
        let settings = [
            Setting::new("base-msat", "1000", "For any job, in msat."),
            Setting::new("per-1k-msat", "500", "For 1000 tokens, read or written, in msat."),
            Setting::new("max-tokens", "512", "Tokens written at most."),
        ];
        About::policy(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), "A price by tokens.", settings.into())
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        // First of all: a setting that cannot be read sells nothing, and the operator learns it at the installation.
        let tariff = Tariff::read(situation)?;
        let max_output_tokens = job.params().u64("max_tokens", tariff.max_tokens).clamp(1, tariff.max_tokens);
        // Without a wallet there is nothing but `free`.
        let terms = if context.terms.contains(&Terms::OnDelivery) { Terms::OnDelivery } else { Terms::Free };
        let price_msat = match terms {
            Terms::Free => 0,
            _ => tariff.price(context.input_tokens_estimate, max_output_tokens),
        };
        if job.bid_msat.is_some_and(|bid| bid < price_msat) {
            return Err(Refusal::BidTooLow(price_msat));
        }
        Ok(Offer {
            terms,
            price_msat,
            cap_msat: price_msat,
            max_output_tokens,
            max_work_ms: 60_000,
            valid_seconds: 600,
            priority: 0,
            note: "by tokens".into(),
        })
    }

    fn settle(_: &Job, _: &Context, offer: &Offer, _: &Route, usage: &Usage, situation: &Situation) -> Msat {
        // The offer was made with these settings, so they can be read.
        Tariff::read(situation).map_or(0, |tariff| tariff.price(usage.input_tokens, usage.output_tokens).min(offer.cap_msat))
    }
}

/// What the operator set.
struct Tariff {
    base_msat: Msat,
    per_1k_msat: Msat,
    max_tokens: u64,
}

impl Tariff {
    fn read(situation: &Situation) -> Result<Self, Refusal> {
        let settings = situation.settings();
        Ok(Self {
            base_msat: settings.setting("base-msat")?,
            per_1k_msat: settings.setting("per-1k-msat")?,
            max_tokens: settings.setting::<u64>("max-tokens")?.max(1),
        })
    }

    fn price(&self, input_tokens: u64, output_tokens: u64) -> Msat {
        let tokens = input_tokens.saturating_add(output_tokens);
        self.base_msat.saturating_add(tokens.saturating_mul(self.per_1k_msat) / 1000)
    }
}

pylon_guest::pricing::export!(Policy);

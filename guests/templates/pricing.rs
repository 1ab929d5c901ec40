//! What a job costs: so much for any job, and so much for 1000 tokens.

#![no_std]

use pylon_guest::description::{About, Setting};
use pylon_guest::pricing::{Context, Offer, Pricing, Terms};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};

const BASE_MSAT: u64 = 1000;
const PER_1K_MSAT: u64 = 500;
const MAX_TOKENS: u64 = 512;

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
        let most = situation.settings().u64("max-tokens", MAX_TOKENS).max(1);
        let max_output_tokens = job.params().u64("max_tokens", most).clamp(1, most);
        // Without a wallet there is nothing but `free`.
        let terms = if context.terms.contains(&Terms::OnDelivery) { Terms::OnDelivery } else { Terms::Free };
        let price_msat = match terms {
            Terms::Free => 0,
            _ => price(context.input_tokens_estimate, max_output_tokens, situation),
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
        price(usage.input_tokens, usage.output_tokens, situation).min(offer.cap_msat)
    }
}

fn price(input_tokens: u64, output_tokens: u64, situation: &Situation) -> Msat {
    let settings = situation.settings();
    let tokens = input_tokens.saturating_add(output_tokens);
    let work = tokens.saturating_mul(settings.u64("per-1k-msat", PER_1K_MSAT)) / 1000;
    settings.u64("base-msat", BASE_MSAT).saturating_add(work)
}

pylon_guest::pricing::export!(Policy);

//! A price by tokens: `(base + input + output) × the route's factor`, rounded down.
//!
//! The quote counts the tokens that the job may write, `settle` those that it wrote. What the customer can rely on: never above the bid; without a
//! bid never above the quote. What the operator can rely on: a job whose full length the bid does not cover is refused before any work, and with
//! a bid the tokens that the estimate missed are paid up to the bid. Settings that make no sense sell nothing, rather than at a guess.

#![no_std]

extern crate alloc;

use alloc::string::ToString;
use core::str::FromStr;
use pylon_guest::Params;
use pylon_guest::description::{About, Setting};
use pylon_guest::pricing::{Context, Offer, Pricing, Terms};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};

struct TokenPricing;

impl Pricing for TokenPricing {
    fn describe() -> About {
        let settings = [
            Setting::new("base-msat", "1000", "For any job, in msat."),
            Setting::new("input-per-1k-msat", "200", "For 1000 tokens read, in msat."),
            Setting::new("output-per-1k-msat", "1000", "For 1000 tokens written, in msat."),
            Setting::new(
                "terms",
                "on-delivery",
                "`free`, `on-delivery`, `before-work` or `hold`; if the wallet cannot, the next it can.",
            ),
            Setting::new("default-max-tokens", "512", "Tokens written for a job that names no `max_tokens`."),
            Setting::new("max-tokens-limit", "4096", "Tokens written for any job, whatever it asks for."),
            Setting::new("max-work-ms", "300000", "Wall time of the work, in ms."),
            Setting::new("valid-seconds", "600", "How long an offer and its invoice are good."),
            Setting::new("priority", "0", "Higher goes first."),
        ];
        About::policy("token_pricing", env!("CARGO_PKG_VERSION"), "A price by tokens read and written.", settings.into())
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        let settings = situation.settings();
        let rates = Rates::read(settings)?;
        let max_output_tokens = output_bound(job, settings)?;
        let terms = terms(settings, &context.terms)?;
        let full = rates.price(context.input_tokens_estimate, max_output_tokens, &context.route);
        let price_msat = if terms == Terms::Free { 0 } else { full };
        if price_msat > context.max_receivable_msat {
            let (price, most) = (price_msat.to_string(), context.max_receivable_msat.to_string());
            return Err(Refusal::Other(
                ["the price of ", &price, " msat is above the ", &most, " msat we can receive now"].concat(),
            ));
        }
        if job.bid_msat.is_some_and(|bid| bid < price_msat) {
            return Err(Refusal::BidTooLow(price_msat));
        }
        let cap_msat = match terms {
            Terms::Free => 0,
            Terms::BeforeWork | Terms::Hold => price_msat,
            Terms::OnDelivery => job.bid_msat.unwrap_or(price_msat).min(context.max_receivable_msat),
        };
        let (input, output) = (context.input_tokens_estimate.to_string(), max_output_tokens.to_string());
        Ok(Offer {
            terms,
            price_msat,
            cap_msat,
            max_output_tokens,
            max_work_ms: number(settings, "max-work-ms", 300_000)?,
            valid_seconds: number(settings, "valid-seconds", 600)?,
            priority: number(settings, "priority", 0)?,
            note: [&input, " tokens in, up to ", &output, " out"].concat(),
        })
    }

    fn settle(_: &Job, _: &Context, offer: &Offer, route: &Route, usage: &Usage, situation: &Situation) -> Msat {
        // A quote was made with these settings, so they read; if not, what was not agreed on is not charged.
        let due =
            Rates::read(situation.settings()).map_or(0, |rates| rates.price(usage.input_tokens, usage.output_tokens, route));
        due.min(offer.cap_msat)
    }
}

/// What the operator asks, in msat.
struct Rates {
    base: u64,
    input_per_1k: u64,
    output_per_1k: u64,
}

impl Rates {
    fn read(settings: Params<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            base: number(settings, "base-msat", 1000)?,
            input_per_1k: number(settings, "input-per-1k-msat", 200)?,
            output_per_1k: number(settings, "output-per-1k-msat", 1000)?,
        })
    }

    /// Rounded down once, at the end. What a `u64` cannot hold on the way is the largest price: nobody can pay it, so it is refused.
    fn price(&self, input_tokens: u64, output_tokens: u64, route: &Route) -> Msat {
        self.millionfold(input_tokens, output_tokens, route).map_or(Msat::MAX, |price| price / 1_000_000)
    }

    fn millionfold(&self, input_tokens: u64, output_tokens: u64, route: &Route) -> Option<u64> {
        let input = self.input_per_1k.checked_mul(input_tokens)?;
        let output = self.output_per_1k.checked_mul(output_tokens)?;
        let thousandfold = self.base.checked_mul(1000)?.checked_add(input)?.checked_add(output)?;
        thousandfold.checked_mul(u64::from(route.price_permille))
    }
}

/// Tokens the job may write. What is not a number is left to the handler, which says so to the customer.
fn output_bound(job: &Job, settings: Params<'_>) -> Result<u64, Refusal> {
    let limit = number(settings, "max-tokens-limit", 4096)?;
    let default = number(settings, "default-max-tokens", 512)?;
    let asked = job.params().parse("max_tokens").ok().flatten();
    Ok(asked.unwrap_or(default).clamp(1, u64::max(limit, 1)))
}

/// The operator's terms if the wallet can do them, else on delivery, else beforehand, else for nothing.
fn terms(settings: Params<'_>, offered: &[Terms]) -> Result<Terms, Refusal> {
    let wanted = match settings.text("terms").unwrap_or("on-delivery") {
        "free" => return Ok(Terms::Free),
        "on-delivery" => Terms::OnDelivery,
        "before-work" => Terms::BeforeWork,
        "hold" => Terms::Hold,
        _ => return Err(senseless("terms")),
    };
    let order = [wanted, Terms::OnDelivery, Terms::BeforeWork];
    Ok(order.into_iter().find(|terms| offered.contains(terms)).unwrap_or(Terms::Free))
}

fn number<T: FromStr>(settings: Params<'_>, name: &str, default: T) -> Result<T, Refusal> {
    settings.parse(name).map(|value| value.unwrap_or(default)).map_err(|_| senseless(name))
}

/// For the operator, who finds it in the log and in the self-test before an installation; the customer learns no value.
fn senseless(name: &str) -> Refusal {
    Refusal::Other(["no price can be made: the setting ", name, " is wrong"].concat())
}

pylon_guest::pricing::export!(TokenPricing);

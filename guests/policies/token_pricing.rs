//! A price by tokens: `(base + input + output) × the route's factor`, rounded down.
//!
//! The quote counts the tokens that the job may write, `settle` those that it wrote. What the customer can rely on: never above the bid; without a
//! bid never above the quote. What the operator can rely on: a job whose full length the bid does not cover is refused before any work, and with
//! a bid the tokens that the estimate missed are paid up to the bid. Settings that make no sense sell nothing, rather than at a guess.

#![no_std]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use pylon_guest::Params;
use pylon_guest::description::{About, Setting};
use pylon_guest::pricing::{Context, Offer, Pricing, Terms};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};

/// Name, default and help. The whole numbers first, in the order in which `Numbers::read` takes them apart.
const SETTINGS: [(&str, &str, &str); 9] = [
    ("base-msat", "1000", "For any job, in msat."),
    ("input-per-1k-msat", "200", "For 1000 tokens read, in msat."),
    ("output-per-1k-msat", "1000", "For 1000 tokens written, in msat."),
    ("default-max-tokens", "512", "Tokens written where a job names no max_tokens."),
    ("max-tokens-limit", "4096", "Tokens written whatever a job names."),
    ("max-work-ms", "300000", "Wall time of the work, in ms."),
    ("valid-seconds", "600", "How long an offer is good."),
    ("priority", "0", "Higher goes first."),
    ("terms", "on-delivery", "free, on-delivery, before-work or hold; else what the wallet can."),
];

struct TokenPricing;

impl Pricing for TokenPricing {
    fn describe() -> About {
        let mut settings = Vec::with_capacity(SETTINGS.len());
        for (name, default, help) in SETTINGS {
            settings.push(Setting::new(name, default, help));
        }
        About::policy("token_pricing", env!("CARGO_PKG_VERSION"), "A price by tokens read and written.", settings)
    }

    fn quote(job: &Job, context: &Context, situation: &Situation) -> Result<Offer, Refusal> {
        let settings = situation.settings();
        let numbers = Numbers::read(settings).map_err(senseless)?;
        let wanted = wanted_terms(settings.text("terms")).ok_or_else(|| senseless("terms"))?;

        // What is not a number is left to the handler, which says so to the customer.
        let asked = job.params().text("max_tokens").and_then(whole).unwrap_or(numbers.default_max_tokens);
        let max_output_tokens = asked.clamp(1, numbers.max_tokens_limit.max(1));
        let terms = possible_terms(wanted, &context.terms);
        let price_msat = match terms {
            Terms::Free => 0,
            _ => numbers.price(context.input_tokens_estimate, max_output_tokens, &context.route),
        };
        if price_msat > context.max_receivable_msat {
            return Err(Refusal::Other("the price is more than we can receive now".into()));
        }
        if job.bid_msat.is_some_and(|bid| bid < price_msat) {
            return Err(Refusal::BidTooLow(price_msat));
        }
        let cap_msat = match (terms, job.bid_msat) {
            (Terms::OnDelivery, Some(bid)) => bid.min(context.max_receivable_msat),
            _ => price_msat,
        };
        Ok(Offer {
            terms,
            price_msat,
            cap_msat,
            max_output_tokens,
            max_work_ms: numbers.max_work_ms,
            valid_seconds: u32::try_from(numbers.valid_seconds).unwrap_or(u32::MAX),
            priority: i32::try_from(numbers.priority).unwrap_or(i32::MAX),
            note: if terms == wanted { "by tokens" } else { "by tokens; the wallet cannot do the terms that are set" }.into(),
        })
    }

    fn settle(_: &Job, _: &Context, offer: &Offer, route: &Route, usage: &Usage, situation: &Situation) -> Msat {
        // The quote was made with these settings, so they read; if not, what was not agreed on is not charged.
        let Ok(numbers) = Numbers::read(situation.settings()) else { return 0 };
        numbers.price(usage.input_tokens, usage.output_tokens, route).min(offer.cap_msat)
    }
}

/// The operator's numbers.
struct Numbers {
    base: u64,
    input_per_1k: u64,
    output_per_1k: u64,
    default_max_tokens: u64,
    max_tokens_limit: u64,
    max_work_ms: u64,
    valid_seconds: u64,
    priority: u64,
}

impl Numbers {
    /// The name of a setting that is no whole number, or all of them.
    #[inline(never)]
    fn read(settings: Params<'_>) -> Result<Self, &'static str> {
        let mut numbers = [0; 8];
        for (number, (name, default, _)) in numbers.iter_mut().zip(SETTINGS) {
            *number = whole(settings.text(name).unwrap_or(default)).ok_or(name)?;
        }
        let [base, input_per_1k, output_per_1k, default_max_tokens, max_tokens_limit, max_work_ms, valid_seconds, priority] =
            numbers;
        Ok(Self { base, input_per_1k, output_per_1k, default_max_tokens, max_tokens_limit, max_work_ms, valid_seconds, priority })
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

/// Not inlined: the code that parses a number is large.
#[inline(never)]
fn whole(text: &str) -> Option<u64> {
    text.parse().ok()
}

fn wanted_terms(set: Option<&str>) -> Option<Terms> {
    match set {
        None | Some("on-delivery") => Some(Terms::OnDelivery),
        Some("free") => Some(Terms::Free),
        Some("before-work") => Some(Terms::BeforeWork),
        Some("hold") => Some(Terms::Hold),
        Some(_) => None,
    }
}

/// The operator's terms if the wallet can do them, else on delivery, else beforehand, else for nothing.
fn possible_terms(wanted: Terms, offered: &[Terms]) -> Terms {
    if wanted == Terms::Free {
        return Terms::Free;
    }
    let order = [wanted, Terms::OnDelivery, Terms::BeforeWork];
    order.into_iter().find(|terms| offered.contains(terms)).unwrap_or(Terms::Free)
}

/// For the operator, who finds it in the log; the customer learns no value.
fn senseless(name: &str) -> Refusal {
    let mut words = String::from("no price can be made: wrong setting ");
    words.push_str(name);
    Refusal::Other(words)
}

pylon_guest::pricing::export!(TokenPricing);

//! A price by tokens, `(base + input + output) × the route's factor × the policy's own`, rounded down: all that our pricing policies have in
//! common. What makes one differ from another is its factor, and whether it wants the money beforehand.
//!
//! The quote counts the tokens that the job may write, `settle` those that it wrote. What the customer can rely on: never above the bid; without a
//! bid never above the quote. What the operator can rely on: a job whose full length the bid does not cover is refused before any work, and with
//! a bid the tokens that the estimate missed are paid up to the bid. Settings that make no sense sell nothing, rather than at a guess.

use alloc::string::String;
use alloc::vec::Vec;
use pylon_guest::Params;
use pylon_guest::description::{About, Setting};
use pylon_guest::pricing::{Context, Offer, Terms};
use pylon_guest::types::{Job, Msat, Refusal, Route, Situation, Usage};

/// A setting that is a whole number: name, default, the most that makes sense, help. The help says the range, too.
pub type Number = (&'static str, &'static str, u64, &'static str);

const ROWS: [Number; NUMBERS + 1] = [
    ("base-msat", "1000", MSAT_MAX, "For any job, to 10^10."),
    ("input-per-1k-msat", "200", MSAT_MAX, "For 1000 tokens read, to 10^10."),
    ("output-per-1k-msat", "1000", MSAT_MAX, "For 1000 tokens written, to 10^10."),
    ("default-max-tokens", "512", TOKENS_MAX, "Where a job names no max_tokens, to 10^7."),
    ("max-tokens-limit", "4096", TOKENS_MAX, "Whatever a job names, to 10^7."),
    ("max-work-ms", "300000", 86_400_000, "Wall time of the work, to a day."),
    ("valid-seconds", "600", 86_400, "How long an offer is good, to a day."),
    ("priority", "0", 1000, "Higher goes first, to 1000."),
    // The one that is a word.
    ("terms", "on-delivery", 0, "Or free, before-work, hold; else what the wallet can."),
];
/// Those that are numbers: all but the last.
const NUMBERS: usize = 8;
const TERMS: &str = ROWS[NUMBERS].0;
const BASE: usize = 0;
const INPUT_PER_1K: usize = 1;
const OUTPUT_PER_1K: usize = 2;
const DEFAULT_MAX_TOKENS: usize = 3;
const MAX_TOKENS_LIMIT: usize = 4;
const MAX_WORK_MS: usize = 5;
const VALID_SECONDS: usize = 6;
const PRIORITY: usize = 7;
/// Numbers that a policy may have beside these.
const OWN_MAX: usize = 5;

/// All the bitcoin there will ever be. A bid may name more, an offer may not.
const SUPPLY_MSAT: u64 = 2_100_000_000_000_000_000;
/// A tenth of a bitcoin.
const MSAT_MAX: u64 = 10_000_000_000;
const TOKENS_MAX: u64 = 10_000_000;
/// As much as a number can say; more than any may be.
const NUMBER_MAX: u64 = 100_000_000_000_000_000;
/// The factor that changes nothing.
pub const PLAIN: u64 = 1000;

/// What a policy says of itself: the tariff's settings and its own.
pub fn about(name: &str, summary: &str, own: &[Number]) -> About {
    // No capacity: growing is code that is there anyway, and this is asked once.
    let mut settings = Vec::new();
    for (name, default, _, help) in ROWS.iter().chain(own) {
        settings.push(Setting::new(name, default, help));
    }
    About::policy(name, env!("CARGO_PKG_VERSION"), summary, settings)
}

/// The setting of this name makes no sense.
pub struct Senseless(pub &'static str);

impl From<Senseless> for Refusal {
    /// For the operator, who finds it in the log; the customer learns no value.
    #[inline(never)]
    fn from(Senseless(name): Senseless) -> Self {
        // Not `String::from`, which would be a second copy of the same code.
        let mut words: String = "no price: wrong setting ".into();
        words.push_str(name);
        Self::Other(words)
    }
}

/// The operator's numbers.
pub struct Tariff {
    numbers: [u64; NUMBERS],
    /// Those of the policy itself, in its order.
    pub own: [u64; OWN_MAX],
    terms: Terms,
}

impl Tariff {
    /// Reads all of them; the error names the first that is no whole number, or too large.
    #[inline(never)]
    pub fn read(situation: &Situation, own: &[Number]) -> Result<Self, Senseless> {
        let settings = situation.settings();
        let terms = wanted_terms(settings.text(TERMS)).ok_or(Senseless(TERMS))?;
        let mut tariff = Self { numbers: [0; NUMBERS], own: [0; OWN_MAX], terms };
        read(settings, &ROWS, &mut tariff.numbers)?;
        read(settings, own, &mut tariff.own)?;
        Ok(tariff)
    }

    /// Prices a job before any work, at so many thousandths of the price by tokens. `beforehand`: nothing runs before the money is there, if there is
    /// to be any.
    pub fn quote(
        &self,
        job: &Job,
        context: &Context,
        factor: u64,
        beforehand: bool,
    ) -> Result<Offer, Refusal> {
        // What is not a number is left to the handler, which says so to the customer.
        let asked = job
            .params()
            .text("max_tokens")
            .and_then(whole)
            .unwrap_or(self.numbers[DEFAULT_MAX_TOKENS]);
        let max_output_tokens = asked.min(self.numbers[MAX_TOKENS_LIMIT]).max(1);
        let terms = self.terms(&context.terms, beforehand).ok_or(Refusal::Blocked)?;
        let price_msat = match terms {
            Terms::Free => 0,
            _ => {
                self.price(context.input_tokens_estimate, max_output_tokens, &context.route, factor)
            }
        };
        // There is no invoice of nothing.
        let terms = if price_msat == 0 && terms != Terms::OnDelivery { Terms::Free } else { terms };
        if price_msat > context.max_receivable_msat {
            return Err(Refusal::Other("more than we can receive now".into()));
        }
        if job.bid_msat.is_some_and(|bid| bid < price_msat) {
            return Err(Refusal::BidTooLow(price_msat));
        }
        let cap_msat = match (terms, job.bid_msat) {
            (Terms::OnDelivery, Some(bid)) => bid.min(context.max_receivable_msat).min(SUPPLY_MSAT),
            _ => price_msat,
        };
        Ok(Offer {
            terms,
            price_msat,
            cap_msat,
            max_output_tokens,
            max_work_ms: self.numbers[MAX_WORK_MS],
            valid_seconds: self.numbers[VALID_SECONDS] as u32,
            priority: self.numbers[PRIORITY] as i32,
            note: if terms == self.terms { "by tokens" } else { "by tokens, not on the terms set" }
                .into(),
        })
    }

    /// The operator's terms if the wallet can do them, else on delivery, else beforehand, else for nothing. Who shall pay beforehand, and cannot, gets
    /// nothing.
    fn terms(&self, offered: &[Terms], beforehand: bool) -> Option<Terms> {
        if self.terms == Terms::Free {
            Some(Terms::Free)
        } else if can(offered, self.terms) && !(beforehand && self.terms == Terms::OnDelivery) {
            Some(self.terms)
        } else if !beforehand && can(offered, Terms::OnDelivery) {
            Some(Terms::OnDelivery)
        } else if can(offered, Terms::BeforeWork) {
            Some(Terms::BeforeWork)
        } else {
            (!beforehand).then_some(Terms::Free)
        }
    }

    /// What is due for what was used, by the factor of the quote.
    pub fn settle(&self, offer: &Offer, route: &Route, usage: &Usage, factor: u64) -> Msat {
        self.price(usage.input_tokens, usage.output_tokens, route, factor).min(offer.cap_msat)
    }

    /// What a job of so many tokens costs where nothing changes the price; writing as much as one that names no length.
    pub fn plain(&self, input_tokens: u64) -> Msat {
        self.thousandfold(input_tokens, self.numbers[DEFAULT_MAX_TOKENS]) / 1000
    }

    /// Rounded down to whole msat at the end. What no `u64` holds on the way becomes 184 bitcoin times the factor, which nobody can pay.
    #[inline(never)]
    fn price(&self, input_tokens: u64, output_tokens: u64, route: &Route, factor: u64) -> Msat {
        let routed =
            times(self.thousandfold(input_tokens, output_tokens), route.price_permille.into())
                / 1000;
        times(routed, factor) / 1_000_000
    }

    fn thousandfold(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        let input = times(self.numbers[INPUT_PER_1K], input_tokens);
        (self.numbers[BASE] * 1000)
            .saturating_add(input)
            .saturating_add(times(self.numbers[OUTPUT_PER_1K], output_tokens))
    }
}

/// The product, or the largest number where it may be too large. The standard library would multiply in 128 bits, which is more code.
#[inline(never)]
pub fn times(one: u64, other: u64) -> u64 {
    if one.leading_zeros() + other.leading_zeros() < u64::BITS { u64::MAX } else { one * other }
}

#[inline(never)]
fn read(settings: Params<'_>, rows: &[Number], numbers: &mut [u64]) -> Result<(), Senseless> {
    for (number, (name, default, most, _)) in numbers.iter_mut().zip(rows) {
        let set = whole(settings.text(name).unwrap_or(default));
        *number = set.filter(|number| number <= most).ok_or(Senseless(name))?;
    }
    Ok(())
}

/// Digits and nothing else. The standard library's parser is larger than all of a factor.
#[inline(never)]
fn whole(text: &str) -> Option<u64> {
    let mut number = 0;
    for byte in text.bytes() {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = (number * 10 + u64::from(byte - b'0')).min(NUMBER_MAX);
    }
    (!text.is_empty()).then_some(number)
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

#[inline(never)]
fn can(offered: &[Terms], terms: Terms) -> bool {
    offered.contains(&terms)
}

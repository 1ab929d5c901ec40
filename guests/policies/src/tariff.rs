//! The price per token that all shipped pricing policies share.
//!
//! `price = (base + input tokens + output tokens) × route factor × policy factor`, rounded down.
//! Policies differ in their factor, and in whether they require payment before the work.
//!
//! The quote assumes that the job writes as many tokens as it is allowed to; `settle` charges the
//! tokens that it wrote. The tokens read are an estimate, so a job that reads more can cost up to
//! the bid; without a bid the customer never pays more than the quote. A job whose bid does not
//! cover the quote is refused before any work is done.

use alloc::vec::Vec;
use pylon_guest::description::{Manifest, Setting};
use pylon_guest::pricing::{Context, Offer, Terms};
use pylon_guest::types::{Job, Msat, Refusal, Route, Usage};
use pylon_guest::{InvalidSetting, Params};

/// The factor that leaves the price as it is, in thousandths.
pub const NEUTRAL_PERMILLE: u64 = 1000;

/// 21 million bitcoin: the largest valid amount.
const SUPPLY_MSAT: Msat = 2_100_000_000_000_000_000;
/// A tenth of a bitcoin.
const PRICE_MSAT_MAX: Msat = 10_000_000_000;
const TOKENS_MAX: u64 = 10_000_000;
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// A setting that is a whole number.
pub struct Number {
    /// Name of the setting.
    pub name: &'static str,
    /// Used if the operator does not set it.
    pub default: &'static str,
    /// The largest valid value.
    pub max: u64,
    /// One line for the operator, with the range.
    pub help: &'static str,
}

const BASE: Number = Number {
    name: "base-msat",
    default: "1000",
    max: PRICE_MSAT_MAX,
    help: "Price of any job, up to 10^10.",
};
const INPUT: Number = Number {
    name: "input-per-1k-msat",
    default: "200",
    max: PRICE_MSAT_MAX,
    help: "Price of 1000 tokens read, up to 10^10.",
};
const OUTPUT: Number = Number {
    name: "output-per-1k-msat",
    default: "1000",
    max: PRICE_MSAT_MAX,
    help: "Price of 1000 tokens written, up to 10^10.",
};
const DEFAULT_MAX_TOKENS: Number = Number {
    name: "default-max-tokens",
    default: "512",
    max: TOKENS_MAX,
    help: "Tokens written if a job has no max_tokens, up to 10^7.",
};
const MAX_TOKENS_LIMIT: Number = Number {
    name: "max-tokens-limit",
    default: "4096",
    max: TOKENS_MAX,
    help: "Upper limit of a job's max_tokens, up to 10^7.",
};
const MAX_WORK: Number = Number {
    name: "max-work-ms",
    default: "300000",
    max: DAY_SECONDS * 1000,
    help: "Wall time of the work, up to a day.",
};
const VALID: Number = Number {
    name: "valid-seconds",
    default: "600",
    max: DAY_SECONDS,
    help: "How long an offer is valid, up to a day.",
};
const PRIORITY: Number = Number {
    name: "priority",
    default: "0",
    max: 1000,
    help: "Jobs with a higher priority run first, up to 1000.",
};
const NUMBERS: [&Number; 8] =
    [&BASE, &INPUT, &OUTPUT, &DEFAULT_MAX_TOKENS, &MAX_TOKENS_LIMIT, &MAX_WORK, &VALID, &PRIORITY];
const TERMS: &str = "terms";

impl Number {
    /// The operator's value.
    pub fn read(&self, settings: Params<'_>) -> Result<u64, InvalidSetting> {
        let value = settings.setting(self.name)?;
        if value > self.max {
            return Err(InvalidSetting::new(self.name));
        }
        Ok(value)
    }

    fn setting(&self) -> Setting {
        Setting::new(self.name, self.default, self.help)
    }
}

/// The manifest of a policy with the settings of the tariff and its own.
pub fn manifest(name: &str, summary: &str, own: &[&Number]) -> Manifest {
    let mut settings: Vec<Setting> =
        NUMBERS.iter().chain(own).map(|number| number.setting()).collect();
    let help = "Or free, before-work, hold; another one if the wallet does not support it.";
    settings.push(Setting::new(TERMS, "on-delivery", help));
    Manifest::policy(name, env!("CARGO_PKG_VERSION"), summary, settings)
}

/// The operator's settings.
pub struct Tariff {
    base_msat: Msat,
    input_per_1k_msat: Msat,
    output_per_1k_msat: Msat,
    default_max_tokens: u64,
    max_tokens_limit: u64,
    max_work_ms: u64,
    valid_seconds: u32,
    priority: i32,
    terms: Terms,
    requires_prepayment: bool,
}

impl Tariff {
    /// Reads all settings of the tariff; the error names the first invalid one.
    pub fn read(settings: Params<'_>) -> Result<Self, InvalidSetting> {
        Ok(Self {
            base_msat: BASE.read(settings)?,
            input_per_1k_msat: INPUT.read(settings)?,
            output_per_1k_msat: OUTPUT.read(settings)?,
            default_max_tokens: DEFAULT_MAX_TOKENS.read(settings)?,
            max_tokens_limit: MAX_TOKENS_LIMIT.read(settings)?,
            max_work_ms: MAX_WORK.read(settings)?,
            valid_seconds: VALID.read(settings)? as u32,
            priority: PRIORITY.read(settings)? as i32,
            terms: match settings.text(TERMS) {
                Some("on-delivery") => Terms::OnDelivery,
                Some("free") => Terms::Free,
                Some("before-work") => Terms::BeforeWork,
                Some("hold") => Terms::Hold,
                _ => return Err(InvalidSetting::new(TERMS)),
            },
            requires_prepayment: false,
        })
    }

    /// The same tariff for a customer without credit: the work starts after the payment.
    pub fn with_prepayment(self) -> Self {
        Self { requires_prepayment: true, ..self }
    }

    /// Prices a job, at `permille` thousandths of the price per token.
    pub fn quote(&self, job: &Job, context: &Context, permille: u64) -> Result<Offer, Refusal> {
        // If it is not a number, the handler refuses the job.
        let max_tokens = job.params().u64("max_tokens", self.default_max_tokens);
        let max_output_tokens = max_tokens.min(self.max_tokens_limit).max(1);
        let mut terms = self.supported_terms(&context.terms).ok_or(Refusal::Blocked)?;
        let price_msat = match terms {
            Terms::Free => 0,
            _ => {
                let input_tokens = context.input_tokens_estimate;
                self.price(input_tokens, max_output_tokens, &context.route, permille)
            }
        };
        // An invoice cannot have the amount 0.
        if price_msat == 0 && terms != Terms::OnDelivery {
            terms = Terms::Free;
        }
        if price_msat > context.max_receivable_msat {
            return Err(Refusal::Other("the price is more than this provider can receive".into()));
        }
        if job.bid_msat.is_some_and(|bid| bid < price_msat) {
            return Err(Refusal::BidTooLow(price_msat));
        }
        // The tokens read are an estimate: a job that reads more can cost up to the bid.
        let cap_msat = match (terms, job.bid_msat) {
            (Terms::OnDelivery, Some(bid)) => bid.min(context.max_receivable_msat).min(SUPPLY_MSAT),
            _ => price_msat,
        };
        let note = match terms == self.terms {
            true => "price per token",
            false => "price per token, not on the configured terms",
        };
        Ok(Offer {
            terms,
            price_msat,
            cap_msat,
            max_output_tokens,
            max_work_ms: self.max_work_ms,
            valid_seconds: self.valid_seconds,
            priority: self.priority,
            note: note.into(),
        })
    }

    /// The amount due for the actual usage, with the factor of the quote.
    pub fn settle(&self, offer: &Offer, route: &Route, usage: &Usage, permille: u64) -> Msat {
        self.price(usage.input_tokens, usage.output_tokens, route, permille).min(offer.cap_msat)
    }

    /// The price of a job without a max_tokens, before all factors.
    pub fn typical_price(&self, input_tokens: u64) -> Msat {
        self.token_price(input_tokens, self.default_max_tokens) / 1000
    }

    /// The configured terms if the wallet supports them, otherwise the next best ones.
    fn supported_terms(&self, supported: &[Terms]) -> Option<Terms> {
        let is_possible = |terms: &Terms| match terms {
            Terms::Free => self.terms == Terms::Free || !self.requires_prepayment,
            Terms::OnDelivery => supported.contains(terms) && !self.requires_prepayment,
            Terms::BeforeWork | Terms::Hold => supported.contains(terms),
        };
        [self.terms, Terms::OnDelivery, Terms::BeforeWork, Terms::Free]
            .into_iter()
            .find(is_possible)
    }

    /// Rounded down to whole msat. A price that does not fit in a `u64` saturates; no customer can
    /// pay it.
    fn price(&self, input_tokens: u64, output_tokens: u64, route: &Route, permille: u64) -> Msat {
        let token_price = self.token_price(input_tokens, output_tokens);
        let route_price = token_price.saturating_mul(route.price_permille.into()) / 1000;
        route_price.saturating_mul(permille) / 1_000_000
    }

    /// In thousandths of a msat.
    fn token_price(&self, input_tokens: u64, output_tokens: u64) -> u64 {
        let input = self.input_per_1k_msat.saturating_mul(input_tokens);
        let output = self.output_per_1k_msat.saturating_mul(output_tokens);
        (self.base_msat * 1000).saturating_add(input).saturating_add(output)
    }
}

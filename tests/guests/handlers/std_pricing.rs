//! A policy built with std, which imports what std imports.

use pylon_guest::description::About;
use pylon_guest::pricing::{Context, Offer, Pricing};
use pylon_guest::types::{Job, Refusal, Situation};

struct StdPricing;

impl Pricing for StdPricing {
    fn describe() -> About {
        About::policy("std-pricing", "1.0.0", "Imports the world.", Vec::new())
    }

    fn quote(_: &Job, _: &Context, _: &Situation) -> Result<Offer, Refusal> {
        println!("hello");
        Err(Refusal::Blocked)
    }
}

pylon_guest::pricing::export!(StdPricing);

//! A policy that is built with std, and has the imports of std.

use pylon_guest::description::Manifest;
use pylon_guest::pricing::{Context, Offer, Pricing};
use pylon_guest::types::{Job, Refusal, Situation};

struct StdPricing;

impl Pricing for StdPricing {
    fn describe() -> Manifest {
        Manifest::policy("std-pricing", "1.0.0", "Has imports.", Vec::new())
    }

    fn quote(_: &Job, _: &Context, _: &Situation) -> Result<Offer, Refusal> {
        println!("hello");
        Err(Refusal::Blocked)
    }
}

pylon_guest::pricing::export!(StdPricing);

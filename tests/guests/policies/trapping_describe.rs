//! Traps in `describe`.

#![no_std]

extern crate alloc;

use pylon_guest::description::Manifest;
use pylon_guest::pricing::{Context, Offer, Pricing};
use pylon_guest::types::{Job, Refusal, Situation};

struct Trapping;

impl Pricing for Trapping {
    fn describe() -> Manifest {
        core::arch::wasm32::unreachable()
    }

    fn quote(_: &Job, _: &Context, _: &Situation) -> Result<Offer, Refusal> {
        Err(Refusal::Blocked)
    }
}

pylon_guest::pricing::export!(Trapping);

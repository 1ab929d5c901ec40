//! A policy whose `describe` never returns.

#![no_std]

extern crate alloc;

use core::hint::black_box;
use pylon_guest::description::Manifest;
use pylon_guest::pricing::{Context, Offer, Pricing};
use pylon_guest::types::{Job, Refusal, Situation};

struct Endless;

impl Pricing for Endless {
    fn describe() -> Manifest {
        loop {
            black_box(());
        }
    }

    fn quote(_: &Job, _: &Context, _: &Situation) -> Result<Offer, Refusal> {
        Err(Refusal::Blocked)
    }
}

pylon_guest::pricing::export!(Endless);

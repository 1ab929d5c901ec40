//! Accepts everything, and breaks at an output that asks for it.

#![no_std]
#![allow(unsafe_code, reason = "a fixture that does what guests must not")]

extern crate alloc;

use core::arch::wasm32;
use pylon_guest::description::About;
use pylon_guest::types::{Job, Output, Situation};
use pylon_guest::verification::{Evidence, Verdict, Verification};

struct Hostile;

impl Verification for Hostile {
    fn describe() -> About {
        About::policy("hostile-verification", "1.0.0", "Breaks when asked to.", [].into())
    }

    fn judge(_: &Job, output: &Output, _: &Evidence, _: &Situation) -> Verdict {
        if output.content.contains("break") {
            wasm32::unreachable();
        }
        Verdict::Accept
    }
}

pylon_guest::verification::export!(Hostile);

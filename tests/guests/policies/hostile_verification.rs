//! Accepts everything, and traps if the output asks for it.

#![no_std]
#![allow(unsafe_code, reason = "a hostile fixture")]

extern crate alloc;

use core::arch::wasm32;
use pylon_guest::description::Manifest;
use pylon_guest::types::{Job, Output, Situation};
use pylon_guest::verification::{Evidence, Verdict, Verification};

struct Hostile;

impl Verification for Hostile {
    fn describe() -> Manifest {
        Manifest::policy(
            "hostile-verification",
            "1.0.0",
            "Traps if the output asks for it.",
            [].into(),
        )
    }

    fn judge(_: &Job, output: &Output, _: &Evidence, _: &Situation) -> Verdict {
        if output.content.contains("break") {
            wasm32::unreachable();
        }
        Verdict::Accept
    }
}

pylon_guest::verification::export!(Hostile);

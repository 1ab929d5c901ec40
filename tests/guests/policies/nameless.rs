//! Has an invalid name.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use pylon_guest::description::Manifest;
use pylon_guest::routing::{Candidate, Ranking, Routing};
use pylon_guest::types::{Job, Refusal, Situation};

struct Nameless;

impl Routing for Nameless {
    fn describe() -> Manifest {
        Manifest::policy("no name", "1.0.0", "Has an invalid name.", [].into())
    }

    fn rank(_: &Job, _: &[Candidate], _: &Situation) -> Result<Ranking, Refusal> {
        Ok(Ranking { order: Vec::new(), note: "".into() })
    }
}

pylon_guest::routing::export!(Nameless);

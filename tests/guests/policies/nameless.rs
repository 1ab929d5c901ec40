//! Has a name that is none.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use pylon_guest::description::About;
use pylon_guest::routing::{Candidate, Ranking, Routing};
use pylon_guest::types::{Job, Refusal, Situation};

struct Nameless;

impl Routing for Nameless {
    fn describe() -> About {
        About::policy("no name", "1.0.0", "Has no name.", [].into())
    }

    fn rank(_: &Job, _: &[Candidate], _: &Situation) -> Result<Ranking, Refusal> {
        Ok(Ranking { order: Vec::new(), note: "".into() })
    }
}

pylon_guest::routing::export!(Nameless);

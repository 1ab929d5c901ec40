//! Ranks as the setting `order` says, which need not make sense.

#![no_std]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use pylon_guest::description::{About, Setting};
use pylon_guest::routing::{Candidate, Ranking, Routing};
use pylon_guest::types::{Job, Refusal, Situation};

struct Hostile;

impl Routing for Hostile {
    fn describe() -> About {
        About::policy("hostile-routing", "1.0.0", "Ranks as told.", [Setting::new("order", "0", "Indices.")].into())
    }

    fn rank(_: &Job, _: &[Candidate], situation: &Situation) -> Result<Ranking, Refusal> {
        let indices = situation.settings().values("order");
        let order: Vec<u32> = indices.iter().filter_map(|index| index.parse().ok()).collect();
        Ok(Ranking { order, note: String::new() })
    }
}

pylon_guest::routing::export!(Hostile);

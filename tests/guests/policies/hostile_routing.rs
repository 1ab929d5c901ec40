//! Returns the order in the setting `order`, which can be invalid. For samples of the self-test,
//! whose customer is a placeholder, it returns a valid one.

#![no_std]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use pylon_guest::description::{Manifest, Setting};
use pylon_guest::routing::{Candidate, Ranking, Routing};
use pylon_guest::types::{Job, Refusal, Situation};

struct Hostile;

impl Routing for Hostile {
    fn describe() -> Manifest {
        Manifest::policy(
            "hostile-routing",
            "1.0.0",
            "Returns the configured order.",
            [Setting::new("order", "0", "Indices.")].into(),
        )
    }

    fn rank(job: &Job, _: &[Candidate], situation: &Situation) -> Result<Ranking, Refusal> {
        if job.customer.bytes().all(|digit| digit == b'0') {
            return Ok(Ranking { order: [0].into(), note: String::new() });
        }
        let indices = situation.settings().values("order");
        // More than the limit of an answer.
        if indices.iter().any(|index| index == "endless-list") {
            return Ok(Ranking { order: alloc::vec![0; 300_000], note: String::new() });
        }
        let order: Vec<u32> = indices.iter().filter_map(|index| index.parse().ok()).collect();
        Ok(Ranking { order, note: String::new() })
    }
}

pylon_guest::routing::export!(Hostile);

//! Decides where a job runs: the least busy route first; among equals, the one that fails least.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use pylon_guest::description::{Manifest, Setting};
use pylon_guest::routing::{Candidate, Ranking, Routing};
use pylon_guest::types::{Job, Refusal, Situation};

struct Policy;

impl Routing for Policy {
    fn describe() -> Manifest {
        let help = "Routes that fail more often are not tried.";
        let settings = [Setting::new("max-failures-permille", "500", help)];
        Manifest::policy(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "The least busy route first.",
            settings.into(),
        )
    }

    fn rank(_: &Job, candidates: &[Candidate], situation: &Situation) -> Result<Ranking, Refusal> {
        // Settings first: an invalid value is then found when the policy is installed.
        let max_failures: u32 = situation.settings().setting("max-failures-permille")?;
        let mut ranked: Vec<(u32, &Candidate)> = (0..)
            .zip(candidates)
            .filter(|(_, candidate)| candidate.failure_permille <= max_failures)
            .collect();
        if ranked.is_empty() {
            return Err(Refusal::NoBackend);
        }
        ranked.sort_by_key(|(_, candidate)| cost(candidate));
        let order = ranked.iter().map(|(index, _)| *index).collect();
        Ok(Ranking { order, note: "by load".into() })
    }
}

/// Sort key: the lowest comes first.
fn cost(candidate: &Candidate) -> (u32, u32) {
    (candidate.in_flight.saturating_add(candidate.queued), candidate.failure_permille)
}

pylon_guest::routing::export!(Policy);

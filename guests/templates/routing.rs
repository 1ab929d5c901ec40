//! Where a job runs: the one that is free goes first, among equals the one that fails least.

#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use pylon_guest::description::{About, Setting};
use pylon_guest::routing::{Candidate, Ranking, Routing};
use pylon_guest::types::{Job, Refusal, Situation};

struct Policy;

impl Routing for Policy {
    fn describe() -> About {
        let settings = [Setting::new("max-failures-permille", "500", "What fails more often than this is not tried.")];
        About::policy(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), "The least busy.", settings.into())
    }

    fn rank(_: &Job, candidates: &[Candidate], situation: &Situation) -> Result<Ranking, Refusal> {
        let most: u32 = situation.settings().setting("max-failures-permille")?;
        let mut ranked: Vec<(u32, &Candidate)> = Vec::new();
        for (index, candidate) in (0..).zip(candidates) {
            if candidate.failure_permille <= most {
                // In its place, behind its equals: the sorts of `alloc` are larger than this policy.
                let place = ranked.partition_point(|(_, other)| merit(other) <= merit(candidate));
                ranked.insert(place, (index, candidate));
            }
        }
        if ranked.is_empty() {
            return Err(Refusal::NoBackend);
        }
        Ok(Ranking { order: ranked.iter().map(|(index, _)| *index).collect(), note: "by load".into() })
    }
}

/// Less is better.
fn merit(candidate: &Candidate) -> (u32, u32) {
    (candidate.in_flight.saturating_add(candidate.queued), candidate.failure_permille)
}

pylon_guest::routing::export!(Policy);

//! The model that was asked for, and nothing but it; otherwise the operator's default first. Among equals the one that fails least, then the one
//! with the shortest wait, then the one that is quickest to begin.

#![no_std]

extern crate alloc;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;
use pylon_guest::description::About;
use pylon_guest::routing::{Candidate, Ranking, Routing};
use pylon_guest::types::{Job, Refusal, Situation, WorkPlace};

/// A refusal is read by people.
const MODELS_NAMED: usize = 8;
const NAME_CHARS: usize = 64;

struct PreferredRouting;

impl Routing for PreferredRouting {
    fn describe() -> About {
        let summary =
            "The model asked for; otherwise the preferred, the most reliable, the least busy.";
        About::policy("preferred_routing", env!("CARGO_PKG_VERSION"), summary, [].into())
    }

    fn rank(job: &Job, candidates: &[Candidate], _: &Situation) -> Result<Ranking, Refusal> {
        if candidates.is_empty() {
            return Err(Refusal::NoBackend);
        }
        let asked = job.params().text("model");
        let mut ranked: Vec<(u32, &Candidate)> = Vec::new();
        for (index, candidate) in (0..).zip(candidates) {
            if asked.is_none_or(|asked| serves(candidate, asked)) {
                // In its place, behind its equals. The sorts of `alloc` weigh as much as all the rest of a policy.
                let place = ranked.partition_point(|(_, other)| merit(other) <= merit(candidate));
                ranked.insert(place, (index, candidate));
            }
        }
        let Some((_, first)) = ranked.first() else {
            return Err(unknown(asked.unwrap_or_default(), candidates));
        };
        let (backend, name) = names(first);
        let note = [backend, "/", name, " first, of ", &ranked.len().to_string()].concat();
        Ok(Ranking { order: ranked.iter().map(|(index, _)| *index).collect(), note })
    }
}

/// Less is better.
fn merit(candidate: &Candidate) -> (Reverse<bool>, u32, u64, u32) {
    let waiting = u64::from(candidate.in_flight) + u64::from(candidate.queued);
    let wait_permille = waiting * 1000 / u64::from(candidate.limit.max(1));
    (
        Reverse(candidate.preferred),
        candidate.failure_permille,
        wait_permille,
        candidate.first_output_ms.unwrap_or(u32::MAX),
    )
}

/// `model` or `backend/model`; a model's own name may hold slashes.
fn serves(candidate: &Candidate, asked: &str) -> bool {
    let (backend, name) = names(candidate);
    asked == name
        || asked.strip_prefix(backend).and_then(|rest| rest.strip_prefix('/')) == Some(name)
}

fn names(candidate: &Candidate) -> (&str, &str) {
    match &candidate.route.place {
        WorkPlace::Model(place) => (&place.backend, &place.model),
        WorkPlace::Agent(place) => (&place.backend, &place.isolation),
    }
}

fn unknown(asked: &str, candidates: &[Candidate]) -> Refusal {
    let mut there: Vec<String> = Vec::new();
    for candidate in candidates {
        let name = cut(names(candidate).1);
        if there.contains(&name) {
            continue;
        }
        if there.len() == MODELS_NAMED {
            there.push("…".into());
            break;
        }
        there.push(name);
    }
    Refusal::Unsupported(["model ", &cut(asked), "; there is: ", &there.join(", ")].concat())
}

fn cut(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS).collect()
}

pylon_guest::routing::export!(PreferredRouting);

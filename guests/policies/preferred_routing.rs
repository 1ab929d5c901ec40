//! The model that was asked for, and nothing but it; otherwise the operator's default first. Among equals the one that fails least, then the one
//! with the shortest wait, then the one that is quickest to begin.

#![no_std]

extern crate alloc;

use alloc::format;
use alloc::string::String;
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
        let summary = "The model asked for; otherwise the preferred, the most reliable, the least busy.";
        About::policy("preferred-routing", env!("CARGO_PKG_VERSION"), summary, [].into())
    }

    fn rank(job: &Job, candidates: &[Candidate], _: &Situation) -> Result<Ranking, Refusal> {
        if candidates.is_empty() {
            return Err(Refusal::NoBackend);
        }
        let asked = job.params().text("model");
        let fits = |candidate: &Candidate| asked.is_none_or(|asked| serves(candidate, asked));
        let mut fitting: Vec<(u32, &Candidate)> = (0..).zip(candidates).filter(|(_, candidate)| fits(candidate)).collect();
        // A stable sort on a total order: the same question has one answer.
        fitting.sort_by_key(|(_, candidate)| merit(candidate));
        let Some((_, first)) = fitting.first() else { return Err(unknown(asked.unwrap_or_default(), candidates)) };
        let note = format!("{} first, {} of {}", full_name(first), fitting.len(), candidates.len());
        Ok(Ranking { order: fitting.iter().map(|(index, _)| *index).collect(), note })
    }
}

/// Less is better.
fn merit(candidate: &Candidate) -> (Reverse<bool>, u32, u64, u32) {
    let waiting = u64::from(candidate.in_flight) + u64::from(candidate.queued);
    let wait_permille = waiting * 1000 / u64::from(candidate.limit.max(1));
    (Reverse(candidate.preferred), candidate.failure_permille, wait_permille, candidate.first_output_ms.unwrap_or(u32::MAX))
}

/// `model` or `backend/model`; a model's own name may hold slashes.
fn serves(candidate: &Candidate, asked: &str) -> bool {
    let (backend, name) = names(candidate);
    asked == name || asked.strip_prefix(backend).and_then(|rest| rest.strip_prefix('/')) == Some(name)
}

fn names(candidate: &Candidate) -> (&str, &str) {
    match &candidate.route.place {
        WorkPlace::Model(place) => (&place.backend, &place.model),
        WorkPlace::Agent(place) => (&place.backend, &place.isolation),
    }
}

fn full_name(candidate: &Candidate) -> String {
    let (backend, name) = names(candidate);
    [backend, "/", name].concat()
}

fn unknown(asked: &str, candidates: &[Candidate]) -> Refusal {
    let mut there: Vec<&str> = candidates.iter().map(|candidate| names(candidate).1).collect();
    there.sort_unstable();
    there.dedup();
    let more = if there.len() > MODELS_NAMED { ", …" } else { "" };
    let there: Vec<String> = there.into_iter().take(MODELS_NAMED).map(cut).collect();
    Refusal::Unsupported(format!("model {}; there is: {}{more}", cut(asked), there.join(", ")))
}

fn cut(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(NAME_CHARS).collect()
}

pylon_guest::routing::export!(PreferredRouting);

//! Only the requested model, or else the operator's default first. Equal candidates are ordered by
//! failure rate, then by load, then by latency.

#![no_std]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use pylon_guest::description::Manifest;
use pylon_guest::routing::{Candidate, Ranking, Routing};
use pylon_guest::types::{ExecutionTarget, Job, Refusal, Situation};

/// Limits of the models listed in a refusal.
const LISTED_MODELS_MAX: usize = 8;
const NAME_CHARS_MAX: usize = 64;

struct PreferredRouting;

impl Routing for PreferredRouting {
    fn describe() -> Manifest {
        let summary = "The requested model; otherwise the preferred, most reliable, least busy.";
        Manifest::policy("preferred_routing", env!("CARGO_PKG_VERSION"), summary, [].into())
    }

    fn rank(job: &Job, candidates: &[Candidate], _: &Situation) -> Result<Ranking, Refusal> {
        if candidates.is_empty() {
            return Err(Refusal::NoBackend);
        }
        let requested = job.params().text("model");
        let mut ranked: Vec<(u32, &Candidate)> = (0..)
            .zip(candidates)
            .filter(|(_, candidate)| requested.is_none_or(|model| serves(candidate, model)))
            .collect();
        ranked.sort_by_key(|(_, candidate)| cost(candidate));
        let Some((_, first)) = ranked.first() else {
            return Err(unknown_model(requested.unwrap_or_default(), candidates));
        };
        let (backend, model) = names(first);
        let note = format!("{backend}/{model} first, of {}", ranked.len());
        Ok(Ranking { order: ranked.iter().map(|(index, _)| *index).collect(), note })
    }
}

/// Sort key: the lowest comes first.
fn cost(candidate: &Candidate) -> (Reverse<bool>, u32, u64, u32) {
    let waiting = u64::from(candidate.in_flight) + u64::from(candidate.queued);
    let load_permille = waiting * 1000 / u64::from(candidate.limit.max(1));
    (
        Reverse(candidate.preferred),
        candidate.failure_permille,
        load_permille,
        candidate.first_output_ms.unwrap_or(u32::MAX),
    )
}

/// Matches `model` and `backend/model`. The name of a model can contain slashes.
fn serves(candidate: &Candidate, requested: &str) -> bool {
    let (backend, model) = names(candidate);
    requested == model
        || requested.strip_prefix(backend).and_then(|rest| rest.strip_prefix('/')) == Some(model)
}

fn names(candidate: &Candidate) -> (&str, &str) {
    match &candidate.route.target {
        ExecutionTarget::Model(target) => (&target.backend, &target.model),
        ExecutionTarget::Agent(target) => (&target.backend, &target.isolation),
    }
}

fn unknown_model(requested: &str, candidates: &[Candidate]) -> Refusal {
    let mut models: Vec<String> = Vec::new();
    for candidate in candidates {
        let model = shortened(names(candidate).1);
        if models.contains(&model) {
            continue;
        }
        if models.len() == LISTED_MODELS_MAX {
            models.push("…".into());
            break;
        }
        models.push(model);
    }
    let (requested, models) = (shortened(requested), models.join(", "));
    Refusal::Unsupported(format!("model {requested}; available: {models}"))
}

fn shortened(name: &str) -> String {
    name.chars().filter(|char| !char.is_control()).take(NAME_CHARS_MAX).collect()
}

pylon_guest::routing::export!(PreferredRouting);

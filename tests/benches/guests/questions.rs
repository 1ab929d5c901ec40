//! The calls of the benchmarks, and their duration.

use crate::component;
use pylon_core::decision::{History, QuoteContext, Situation, Terms};
use pylon_core::work::{ExecutionTarget, Route};
use pylon_core::{Job, JobId, Msat, Param, PublicKey, UnixTime};
use pylon_sandbox::{Config, Grants, Installed, Limits, Sandbox, Setup};
use std::sync::Arc;
use std::time::Instant;

pub(crate) const KIND: u16 = 5999;

pub(crate) fn sandbox() -> Sandbox {
    Sandbox::open(Config::default()).unwrap()
}

/// A guest that does what `what` names; with `None`, one with default settings.
pub(crate) async fn load(
    sandbox: &Sandbox,
    slot: &str,
    name: &str,
    what: Option<&str>,
    limits: Option<Limits>,
) -> Arc<Installed> {
    let settings = what
        .map(|what| Param { name: "do".into(), values: vec![what.into()] })
        .into_iter()
        .collect();
    let setup = Setup { settings, limits, grants: Grants::all(), ..Setup::default() };
    sandbox.load(slot.parse().unwrap(), component(name), setup).await.unwrap()
}

pub(crate) fn job(number: u8) -> Job {
    let param = |name: &str, value: &str| Param { name: name.into(), values: vec![value.into()] };
    Job {
        id: JobId::from_bytes([number; 32]),
        kind: KIND,
        customer: PublicKey::from_bytes([number; 32]),
        created_at: UnixTime::new(1_700_000_000),
        inputs: Vec::new(),
        params: vec![param("model", "llama3.2"), param("max_tokens", "256")],
        output: Some("text/plain".into()),
        bid: Some(Msat::new(100_000)),
        targeted: true,
        confidential: false,
        expires_at: None,
        origin: String::new(),
    }
}

pub(crate) fn context() -> QuoteContext {
    QuoteContext {
        route: Route {
            target: ExecutionTarget::Model { backend: "ollama".into(), model: "llama3.2".into() },
            price_permille: 1000,
        },
        input_tokens_estimate: 100,
        terms: vec![Terms::Free, Terms::OnDelivery, Terms::BeforeWork],
        max_receivable: Msat::new(1_000_000),
        step: Msat::new(1),
        customer: History::default(),
        ours: History::default(),
        market: None,
    }
}

pub(crate) fn situation() -> Situation {
    Situation {
        now: UnixTime::new(1_700_000_001),
        queued: 0,
        running: 0,
        capacity: 1,
        extra: Vec::new(),
    }
}

/// Mean of this number of calls, in microseconds.
pub(crate) fn micros(times: u32, mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..times).for_each(|_| call());
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

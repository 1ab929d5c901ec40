//! The sandbox with hostile guests, and with the shipped ones.

mod altered;
mod cache;
mod compilation;
mod guest_sets;
mod handlers;
pub(crate) mod host;
mod install;
mod nan;
mod policies;
mod prices;
mod quotas;
mod self_test;

use crate::component;
use pylon_core::decision::{History, QuoteContext, Situation, Terms};
use pylon_core::work::{ExecutionTarget, Route};
use pylon_core::{Job, JobId, Msat, Param, PublicKey, UnixTime};
use pylon_sandbox::{Config, Grants, Installed, Limits, Sandbox, Setup};
use std::sync::Arc;

/// The kind that all fixture handlers serve.
const KIND: u16 = 5999;

fn sandbox() -> Sandbox {
    Sandbox::open(Config::default()).unwrap()
}

async fn load(sandbox: &Sandbox, slot: &str, name: &str, setup: Setup) -> Arc<Installed> {
    sandbox
        .load(slot.parse().unwrap(), component(name), setup)
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All capabilities granted.
fn granted() -> Setup {
    Setup { grants: Grants::all(), ..Setup::default() }
}

/// The same, with one setting.
fn set(name: &str, values: &[&str]) -> Setup {
    Setup { settings: vec![param(name, values)], ..granted() }
}

/// The same, with limits of the operator.
pub(crate) fn within(setup: Setup, limits: Limits) -> Setup {
    Setup { limits: Some(limits), ..setup }
}

fn param(name: &str, values: &[&str]) -> Param {
    Param { name: name.into(), values: values.iter().map(|value| (*value).into()).collect() }
}

pub(crate) fn job(number: u8) -> Job {
    Job {
        id: JobId::from_bytes([number; 32]),
        kind: KIND,
        customer: PublicKey::from_bytes([7; 32]),
        created_at: UnixTime::new(1_700_000_000),
        inputs: Vec::new(),
        params: vec![param("max_tokens", &["64"])],
        output: None,
        bid: Some(Msat::new(100_000)),
        targeted: true,
        confidential: false,
        expires_at: None,
        origin: String::new(),
    }
}

fn situation() -> Situation {
    Situation {
        now: UnixTime::new(1_700_000_001),
        queued: 0,
        running: 0,
        capacity: 1,
        extra: Vec::new(),
    }
}

fn route() -> Route {
    Route {
        target: ExecutionTarget::Model { backend: "ollama".into(), model: "llama3.2".into() },
        price_permille: 1000,
    }
}

fn context() -> QuoteContext {
    QuoteContext {
        route: route(),
        input_tokens_estimate: 100,
        terms: vec![Terms::Free, Terms::OnDelivery, Terms::BeforeWork],
        max_receivable: Msat::new(1_000_000),
        step: Msat::new(1),
        customer: History::default(),
        ours: History::default(),
        market: None,
    }
}

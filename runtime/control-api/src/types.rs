//! What is said over the socket, and what `--json` prints of it. Fields are only ever added: units are in their names, times are Unix
//! seconds, and what is absent is unknown.

use pylon_core::UnixTime;
use pylon_core::slots::Lockdown;
use pylon_core::slots::SlotStatus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The first part of every path. Another version is another path.
pub const VERSION: &str = "/v1";

/// `GET /v1/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The process.
    pub daemon: Daemon,
    /// Since it started.
    pub stats: Stats,
    /// What was not taken lately.
    #[serde(default)]
    pub refused: Refused,
    /// Who generates text, in the operator's order.
    pub backends: Vec<Backend>,
    /// Who does the jobs of agents, by name.
    pub agent_backends: Vec<String>,
    /// The request kinds that are served.
    pub kinds: Vec<u16>,
    /// Where it listens.
    pub relays: Vec<Relay>,
}

/// The process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// Does a node run on this home? Without one, nothing else in a status means anything.
    pub running: bool,
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// `provider`, `host`.
    pub modes: Vec<String>,
    /// The file its settings come from, there or not.
    pub config: String,
    /// When it started.
    pub started_at: u64,
    /// Since when, by a clock that nobody sets.
    pub uptime_secs: u64,
}

/// What was done since the start, from the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Jobs that got their result.
    pub jobs_completed: u64,
    /// What the wallet says has come.
    pub earnings_msats: u64,
    /// What is owed back now, whenever it came: paid for work that was not done.
    #[serde(default)]
    pub refund_due_msats: u64,
}

/// Requests that were not taken, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Requests made before this are not counted.
    pub since: u64,
    /// How many.
    pub jobs: u64,
    /// How many for which reason, by the code that the journal has.
    pub by_code: BTreeMap<String, u64>,
}

impl Refused {
    /// As the journal counts them.
    pub fn of(since: UnixTime, by_code: BTreeMap<String, u64>) -> Self {
        Self { since: since.get(), jobs: by_code.values().sum(), by_code }
    }
}

/// A backend for text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// Its name in settings and events.
    pub id: String,
    /// It answers, and has a model.
    pub available: bool,
    /// Preferred when a job leaves it open.
    pub default: bool,
    /// What it serves.
    pub models: Vec<Model>,
    /// Requests it serves now.
    pub in_flight: u32,
    /// Requests it may serve at once.
    pub limit: u32,
    /// Requests that wait for it.
    pub queued: u32,
    /// Until the first text, on average.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_output_ms: Option<u32>,
    /// On average.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tokens_per_second: Option<u32>,
    /// Of a thousand requests.
    pub failure_permille: u32,
}

/// A model of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// As the backend lists it.
    pub id: String,
    /// Preferred when a job leaves it open.
    pub default: bool,
    /// Room for prompt and answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context_tokens: Option<u32>,
}

/// A relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// Its address.
    pub url: String,
    /// Now.
    pub connected: bool,
}

/// `GET /v1/backends`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backends {
    /// In the operator's order.
    pub backends: Vec<Backend>,
}

/// `GET /v1/events`; with `?follow=true` the same lines one by one, without an end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// The latest, the oldest of them first.
    pub events: Vec<serde_json::Value>,
}

/// `POST /v1/stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    /// How long work may go on; what is not done then goes on at the next start.
    pub drain_seconds: u64,
}

/// The answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    /// Who stops.
    pub pid: u32,
}

/// The answer to `POST /v1/reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Settings that hold from now on.
    pub applied: Vec<String>,
    /// Settings that hold from the next start on.
    pub needs_restart: Vec<String>,
    /// What was applied and does not fit, one line each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// `GET /v1/guests`; `POST /v1/guests` takes a change and answers with the guest it was done to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guests {
    /// By slot: who serves, then who stands beside.
    pub guests: Vec<SlotStatus>,
    /// The rules by which the node works; absent without a node.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lockdown: Option<Lockdown>,
}

/// `POST /v1/review`: a result that waits for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Of which job.
    pub job: pylon_core::JobId,
    /// Sent, or not.
    pub release: bool,
}

/// Any answer that is not the one asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step that failed, where one of several did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// One line: what is wrong and what to do.
    pub error: String,
}

//! The types of the control API, which `--json` prints too. Fields are only ever added. Units are
//! in their names, times are Unix seconds, and an absent field is unknown.

use pylon_core::UnixTime;
use pylon_core::slots::Lockdown;
use pylon_core::slots::SlotStatus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The prefix of every path; a later version has another one.
pub const VERSION: &str = "/v1";

/// `GET /v1/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The process of the node.
    pub daemon: Daemon,
    /// Counters since the node started.
    pub stats: Stats,
    /// Jobs in progress.
    #[serde(default)]
    pub jobs: JobsInProgress,
    /// Requests refused within the last day.
    #[serde(default)]
    pub refused: Refused,
    /// Panics since the node started.
    #[serde(default)]
    pub panics: Panics,
    /// The inference backends, in the operator's order.
    pub backends: Vec<Backend>,
    /// The names of the agent backends.
    pub agent_backends: Vec<String>,
    /// The request kinds that are served.
    pub kinds: Vec<u16>,
    /// The configured relays.
    pub relays: Vec<Relay>,
    /// How far the clock of the node is ahead of those of the relays; negative if it is behind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clock_off_s: Option<i64>,
}

/// The process of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// Whether a node runs on this home. If not, the rest of the status is empty.
    pub running: bool,
    /// The process id.
    pub pid: u32,
    /// The version of the program.
    pub version: String,
    /// `provider`, `host` or both.
    pub modes: Vec<String>,
    /// The settings file, which may not exist.
    pub config: String,
    /// The start time.
    pub started_at: u64,
    /// Time since the start, by a monotonic clock.
    pub uptime_secs: u64,
}

/// Counters since the start of the node, from the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Jobs with a result.
    pub jobs_completed: u64,
    /// Payments that the wallet has confirmed.
    pub earnings_msats: u64,
    /// The current total of payments to be refunded, whenever they were received.
    #[serde(default)]
    pub refund_due_msats: u64,
}

/// The queue for workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobsInProgress {
    /// Jobs that have a worker.
    pub running: u32,
    /// Jobs that wait for one.
    pub waiting: u32,
    /// How long the oldest of them has waited since its request; absent if none waits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oldest_wait_secs: Option<u64>,
}

/// Refused requests, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The start of the counted period.
    pub since: u64,
    /// Their number.
    pub jobs: u64,
    /// The number for each reason code.
    pub by_code: BTreeMap<String, u64>,
}

impl Refused {
    /// From the counts of the journal.
    pub fn of(since: UnixTime, by_code: BTreeMap<String, u64>) -> Self {
        Self { since: since.get(), jobs: by_code.values().sum(), by_code }
    }
}

/// Panics of the process, which are bugs. Their messages may quote jobs, so there are none here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panics {
    /// Their number.
    pub count: u64,
    /// The time of the last one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_at: Option<u64>,
    /// File and line of the last one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_place: Option<String>,
}

/// An inference backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// The name in settings and events.
    pub id: String,
    /// The backend responds and has a model.
    pub available: bool,
    /// Used when a job names none.
    pub default: bool,
    /// The models that it serves.
    pub models: Vec<Model>,
    /// Running requests.
    pub in_flight: u32,
    /// The maximum number of concurrent requests.
    pub limit: u32,
    /// Waiting requests.
    pub queued: u32,
    /// The average time until the first text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_output_ms: Option<u32>,
    /// The average output rate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tokens_per_second: Option<u32>,
    /// Failures in a thousand requests.
    pub failure_permille: u32,
    /// The error of the last probe, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// A model of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The id in the backend's list.
    pub id: String,
    /// Used when a job names none.
    pub default: bool,
    /// The context size, for prompt and output.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub context_tokens: Option<u32>,
    /// The operator's price factor in thousandths.
    #[serde(default = "neutral_permille")]
    pub price_permille: u32,
}

const fn neutral_permille() -> u32 {
    1000
}

/// A relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// The address.
    pub url: String,
    /// Whether the node is connected now.
    pub connected: bool,
}

/// `GET /v1/backends`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backends {
    /// In the operator's order.
    pub backends: Vec<Backend>,
}

/// `GET /v1/events`. With `?follow=true` the response is a stream of the same events, one per line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Events {
    /// The latest events, oldest first.
    pub events: Vec<serde_json::Value>,
}

/// `POST /v1/stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    /// The time that running jobs have to finish; the others continue after the next start.
    pub drain_seconds: u64,
}

/// The response to `POST /v1/stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopping {
    /// The process that stops.
    pub pid: u32,
}

/// The response to `POST /v1/reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Changed settings that are now in effect.
    pub applied: Vec<String>,
    /// Changed settings that need a restart.
    pub needs_restart: Vec<String>,
    /// Problems with the applied settings, one line each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// `GET /v1/guests`. `POST /v1/guests` takes a `SlotChange` and returns a `SlotStatus`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guests {
    /// By slot: the serving guest, then its shadow and the guest that waits for approval.
    pub guests: Vec<SlotStatus>,
    /// The lockdown rules in effect; absent if no node runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lockdown: Option<Lockdown>,
}

/// `POST /v1/review`: the operator's decision about a result that waits for review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The job.
    pub job: pylon_core::JobId,
    /// `true` sends the result; `false` discards it.
    pub accept: bool,
}

/// The body of every error response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// The step that failed, for requests with several steps.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// One line: what failed and what to do.
    pub error: String,
}

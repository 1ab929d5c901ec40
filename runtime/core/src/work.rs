//! Where a job runs, what it uses, and what it returns.

use serde::{Deserialize, Serialize};

/// Where a job can run, with the operator's price factor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Where it runs.
    pub target: ExecutionTarget,
    /// 1000 leaves the price unchanged.
    pub price_permille: u32,
}

impl Route {
    /// Leaves the price unchanged.
    pub const NEUTRAL_PERMILLE: u32 = 1000;
}

/// Where an attempt runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionTarget {
    /// An inference backend and one of its models.
    Model {
        /// The backend's id.
        backend: String,
        /// As the backend lists it.
        model: String,
    },
    /// An agent backend and its isolation.
    Agent {
        /// The backend's id.
        backend: String,
        /// `local`, `container` or `gvisor`.
        isolation: String,
    },
}

impl ExecutionTarget {
    /// The backend's id.
    pub fn backend(&self) -> &str {
        match self {
            Self::Model { backend, .. } | Self::Agent { backend, .. } => backend,
        }
    }

    /// The model, or the isolation of an agent.
    pub fn model(&self) -> &str {
        match self {
            Self::Model { model, .. } => model,
            Self::Agent { isolation, .. } => isolation,
        }
    }
}

/// Resources used by the work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// As counted by the backend.
    pub input_tokens: u64,
    /// As counted by the backend.
    pub output_tokens: u64,
    /// Part of the input tokens.
    pub cached_tokens: u64,
    /// The tokens are estimated, not counted.
    pub estimated: bool,
    /// Wall time of backends and containers, without queueing.
    pub work_ms: u64,
    /// Of containers.
    pub cpu_ms: u64,
    /// Of containers.
    pub peak_memory_bytes: u64,
    /// Of containers.
    pub disk_bytes: u64,
    /// Of containers.
    pub network_bytes: u64,
}

/// Average bytes of text per token.
const BYTES_PER_TOKEN: u64 = 4;

impl Usage {
    /// Estimated tokens in a text of this many bytes.
    pub const fn estimate(bytes: u64) -> u64 {
        bytes.div_ceil(BYTES_PER_TOKEN)
    }

    /// The sum; of peaks the maximum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            estimated: self.estimated || other.estimated,
            work_ms: self.work_ms.saturating_add(other.work_ms),
            cpu_ms: self.cpu_ms.saturating_add(other.cpu_ms),
            peak_memory_bytes: self.peak_memory_bytes.max(other.peak_memory_bytes),
            disk_bytes: self.disk_bytes.saturating_add(other.disk_bytes),
            network_bytes: self.network_bytes.saturating_add(other.network_bytes),
        }
    }
}

/// The result of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The answer.
    pub content: String,
    /// Its MIME type.
    pub mime: String,
    /// Published with the answer.
    pub attributes: Vec<Attribute>,
}

impl Output {
    /// Replaces every text of the answer.
    #[must_use]
    pub fn redact(&self, with: impl Fn(&str) -> String) -> Self {
        let fact =
            |fact: &Attribute| Attribute { name: fact.name.clone(), value: with(&fact.value) };
        Self {
            content: with(&self.content),
            mime: with(&self.mime),
            attributes: self.attributes.iter().map(fact).collect(),
        }
    }
}

/// A named fact about an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A check of the output by the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `json-schema`, `patch-applies`, …
    pub name: String,
    /// Its outcome.
    pub outcome: CheckOutcome,
    /// For the log.
    pub detail: String,
}

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// Passed or failed.
    Passed(bool),
    /// The exit code of a command.
    ExitCode(i32),
    /// A count.
    Count(u64),
    /// Skipped, with the reason.
    Skipped(String),
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// Normally.
    Complete,
    /// At a limit.
    Length,
    /// By the customer.
    Cancelled,
    /// By an error.
    Failed,
}

/// What verification gets besides the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// How it ended.
    pub finish: Finish,
    /// Checks by the host.
    pub checks: Vec<Check>,
    /// Of this attempt only.
    pub usage: Usage,
    /// The route that was used.
    pub route: Route,
    /// Counted from 1.
    pub attempt: u32,
}

impl Evidence {
    /// Replaces every text of the checks.
    #[must_use]
    pub fn redact(&self, with: impl Fn(&str) -> String) -> Self {
        let check = |check: &Check| Check {
            name: check.name.clone(),
            outcome: match &check.outcome {
                CheckOutcome::Skipped(why) => CheckOutcome::Skipped(with(why)),
                other => other.clone(),
            },
            detail: with(&check.detail),
        };
        Self { checks: self.checks.iter().map(check).collect(), route: self.route.clone(), ..*self }
    }
}

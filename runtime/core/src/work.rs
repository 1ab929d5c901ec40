//! Where a job runs, what it used, and what came out.

use serde::{Deserialize, Serialize};

/// A way to get the work done, with the operator's factor on its price.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// Who does the work.
    pub place: WorkPlace,
    /// 1000 is the plain price.
    pub price_permille: u32,
}

/// Who does the work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkPlace {
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

impl WorkPlace {
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

/// What the work took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// As the backend counted.
    pub input_tokens: u64,
    /// As the backend counted.
    pub output_tokens: u64,
    /// Part of the input tokens.
    pub cached_tokens: u64,
    /// Counted by estimate, not by the backend.
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

/// Bytes of text that make about one token.
const BYTES_PER_TOKEN: u64 = 4;

impl Usage {
    /// About so many tokens are in a text of so many bytes, where nobody has counted.
    pub const fn estimate(bytes: u64) -> u64 {
        bytes.div_ceil(BYTES_PER_TOKEN)
    }

    /// Both together; a peak stays a peak.
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

/// What the customer gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The answer.
    pub content: String,
    /// Its MIME type.
    pub mime: String,
    /// Facts about it, published beside it.
    pub attributes: Vec<Attribute>,
}

impl Output {
    /// The same with every text of the answer put through `change`.
    #[must_use]
    pub fn map_text(&self, change: impl Fn(&str) -> String) -> Self {
        let fact =
            |fact: &Attribute| Attribute { name: fact.name.clone(), value: change(&fact.value) };
        Self {
            content: change(&self.content),
            mime: change(&self.mime),
            attributes: self.attributes.iter().map(fact).collect(),
        }
    }
}

/// A named fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// A short word.
    pub name: String,
    /// Its value as text.
    pub value: String,
}

/// A check that the host made on the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `json-schema`, `patch-applies`, …
    pub name: String,
    /// What it found.
    pub outcome: Outcome,
    /// For the log.
    pub detail: String,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Yes or no.
    Passed(bool),
    /// Of a command.
    ExitCode(i32),
    /// A number of things.
    Count(u64),
    /// Not made, and why.
    Skipped(String),
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// By itself.
    Complete,
    /// At a limit.
    Length,
    /// By the customer.
    Cancelled,
    /// By a fault.
    Failed,
}

/// What the work left behind, handed to verification with the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// How it ended.
    pub finish: Finish,
    /// Checks the host made.
    pub checks: Vec<Check>,
    /// Of this attempt alone.
    pub usage: Usage,
    /// The route that did the work.
    pub route: Route,
    /// Counted from 1.
    pub attempt: u32,
}

impl Evidence {
    /// The same with every text that a check wrote put through `change`.
    #[must_use]
    pub fn map_text(&self, change: impl Fn(&str) -> String) -> Self {
        let check = |check: &Check| Check {
            name: check.name.clone(),
            outcome: match &check.outcome {
                Outcome::Skipped(why) => Outcome::Skipped(change(why)),
                other => other.clone(),
            },
            detail: change(&check.detail),
        };
        Self { checks: self.checks.iter().map(check).collect(), route: self.route.clone(), ..*self }
    }
}

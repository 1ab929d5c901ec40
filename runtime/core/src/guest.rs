//! How a guest is identified, what it can be asked, and what one call to it returned.

use crate::Digest;
use crate::names::named_enum;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A guest that took part in a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestRef {
    /// `routing`, `pricing`, `verification` or `handler`.
    pub slot: String,
    /// From the component's manifest.
    pub name: String,
    /// From the component's manifest.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: Digest,
}

named_enum! {
    /// A function that guests export, one for each kind of decision.
    GuestFunction {
        /// Orders the routes of a job (routing).
        Rank = "rank",
        /// Prices a job or refuses it (pricing).
        Quote = "quote",
        /// Turns the usage into the amount due (pricing).
        Settle = "settle",
        /// Accepts, rejects or retries an output (verification).
        Judge = "judge",
        /// Does the job (handler).
        Run = "run",
    }
}

/// What one call to a guest cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The guest that was called.
    pub guest: Arc<GuestRef>,
    /// Hash of the engine. On the same engine a policy gives the same answer for the same fuel.
    pub engine: Arc<str>,
    /// Fuel or CPU time.
    pub cost: Cost,
    /// Wall time in microseconds.
    pub wall_us: u64,
}

/// The cost of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Units of fuel: exact and reproducible.
    Fuel(u64),
    /// Microseconds of CPU time: measured.
    CpuUs(u64),
}

/// A guest's answer, or the limit it exceeded, with the cost of the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuestAnswer<T> {
    /// The answer.
    pub value: Result<T, Fault>,
    /// The call.
    pub call: Call,
}

/// Why a guest gave no answer: the limit it exceeded, or what else went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Out of fuel.
    #[error("out of fuel")]
    Fuel,
    /// CPU time limit exceeded.
    #[error("CPU time limit exceeded")]
    Cpu,
    /// Wall time limit exceeded.
    #[error("wall time limit exceeded")]
    Wall,
    /// Memory or table limit exceeded.
    #[error("memory limit exceeded")]
    Memory,
    /// Stack limit exceeded.
    #[error("stack limit exceeded")]
    Stack,
    /// Too many bytes or items in host calls or in the answer.
    #[error("host call limit exceeded")]
    HostCallBytes,
    /// A trap in the guest's own code.
    #[error("trapped")]
    Trap,
    /// An answer that violates the contract.
    #[error("invalid output")]
    InvalidOutput,
}

impl Fault {
    /// The name in the journal and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fuel => "fuel",
            Self::Cpu => "cpu",
            Self::Wall => "wall",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::HostCallBytes => "host_call_bytes",
            Self::Trap => "trap",
            Self::InvalidOutput => "invalid_output",
        }
    }
}

/// Severity of a guest's log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the usual four")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

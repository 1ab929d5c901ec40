//! Every limit of a guest in one record. What holds for a call is the smallest of what the guest asks for, the operator allows and the node can do.
//! The native stack is not among them: it is compiled into the code, so it is one for all: [`Limits::STACK_BYTES`].

use serde::{Deserialize, Serialize};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What one call may take. A guest that passes a limit is stopped, and the answer names it: see `Fault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Units of fuel, about one an instruction. Policies only; handlers have `cpu_ms`.
    pub fuel: u64,
    /// CPU time of the guest and of what it has the host do at once. Handlers only, as all that follow except the sizes.
    pub cpu_ms: u64,
    /// Wall time of a call, with waiting for a place, for backends and for inputs.
    pub wall_ms: u64,
    /// All linear memory.
    pub memory_bytes: u64,
    /// All tables.
    pub table_elements: u64,
    /// What one call between guest and host may carry towards the host.
    pub hostcall_bytes: u64,
    /// Things of the host that the guest may hold at once: streams, completions.
    pub resources: u64,
    /// Reports and partial results together.
    pub emit_count: u64,
    /// Their text.
    pub emit_bytes: u64,
    /// Lines for the job's record, `stdout` and `stderr` among them.
    pub log_bytes: u64,
    /// The answer: content, MIME type and attributes.
    pub output_bytes: u64,
}

impl Limits {
    /// Native stack of any guest: a number in the code.
    pub const STACK_BYTES: u64 = 256 * KIB;

    /// For policies: the fuel bounds a call near a millisecond.
    pub const POLICY: Self = Self {
        fuel: 11_000_000,
        cpu_ms: u64::MAX,
        wall_ms: u64::MAX,
        memory_bytes: 4 * MIB,
        table_elements: 10_000,
        hostcall_bytes: MIB,
        resources: 0,
        emit_count: 0,
        emit_bytes: 0,
        log_bytes: 0,
        output_bytes: MIB,
    };

    /// For handlers: mostly waiting, for at most an hour.
    pub const HANDLER: Self = Self {
        fuel: u64::MAX,
        cpu_ms: 30_000,
        wall_ms: 3_600_000,
        memory_bytes: 64 * MIB,
        table_elements: 20_000,
        hostcall_bytes: 8 * MIB,
        resources: 64,
        emit_count: 10_000,
        emit_bytes: 64 * MIB,
        log_bytes: 64 * KIB,
        output_bytes: 4 * MIB,
    };

    /// The smaller of each.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            fuel: self.fuel.min(other.fuel),
            cpu_ms: self.cpu_ms.min(other.cpu_ms),
            wall_ms: self.wall_ms.min(other.wall_ms),
            memory_bytes: self.memory_bytes.min(other.memory_bytes),
            table_elements: self.table_elements.min(other.table_elements),
            hostcall_bytes: self.hostcall_bytes.min(other.hostcall_bytes),
            resources: self.resources.min(other.resources),
            emit_count: self.emit_count.min(other.emit_count),
            emit_bytes: self.emit_bytes.min(other.emit_bytes),
            log_bytes: self.log_bytes.min(other.log_bytes),
            output_bytes: self.output_bytes.min(other.output_bytes),
        }
    }
}

/// A limit as wasmtime wants it.
pub(crate) fn size(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

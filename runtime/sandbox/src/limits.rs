//! All limits of a guest in one record. The effective limit of a call is the smallest of the
//! guest's, the operator's and the node's.

use serde::{Deserialize, Serialize};

/// Larger components are not read.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;
/// Calls of larger policies can be slower: their code may not fit into the processor's caches.
pub const POLICY_BYTES_ADVISED_MAX: usize = 64 << 10;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Limits of one call. A guest that reaches a limit is stopped, and the call fails with the
/// corresponding `Fault`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Units of fuel, about one per instruction. Policies only; handlers have `cpu_ms`.
    pub fuel: u64,
    /// CPU time of the guest, without the work of the host. This and all following limits except
    /// the sizes are for handlers only.
    pub cpu_ms: u64,
    /// Wall time of a call, including waits for a permit, for backends and for inputs.
    pub wall_ms: u64,
    /// All linear memory.
    pub memory_bytes: u64,
    /// All tables.
    pub table_elements: u64,
    /// Data from guest to host in one call.
    pub hostcall_bytes: u64,
    /// Host resources that the guest can hold at once: streams, completions.
    pub resources: u64,
    /// Number of progress messages and partial outputs.
    pub emit_count: u64,
    /// Their text.
    pub emit_bytes: u64,
    /// Log lines, including stdout and stderr.
    pub log_bytes: u64,
    /// The answer: content, MIME type and attributes.
    pub output_bytes: u64,
}

impl Limits {
    /// Native stack of any guest. Compiled into the code, so it is the same for all guests.
    pub const STACK_BYTES: u64 = 256 * KIB;

    /// The node's limits for policies. The fuel is about a millisecond of CPU time.
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

    /// The node's limits for handlers.
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

    /// No limits: the neutral element of [`Limits::min`].
    pub(crate) const NONE: Self = Self {
        fuel: u64::MAX,
        cpu_ms: u64::MAX,
        wall_ms: u64::MAX,
        memory_bytes: u64::MAX,
        table_elements: u64::MAX,
        hostcall_bytes: u64::MAX,
        resources: u64::MAX,
        emit_count: u64::MAX,
        emit_bytes: u64::MAX,
        log_bytes: u64::MAX,
        output_bytes: u64::MAX,
    };

    /// The smaller one of each limit.
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

/// A limit in the type that wasmtime uses.
pub(crate) fn size(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

//! Converts wasmtime errors to faults, and limits memories and tables.

use crate::limits::{Limits, size};
use pylon_core::guest::Fault;
use wasmtime::component::ResourceTableError;
use wasmtime::{ResourceLimiter, Result, Trap};

/// wasmtime has no public types for these two errors, so they are matched by their text. A test
/// triggers each of them.
const HOST_CALL_ERRORS: [&str; 2] =
    ["fuel allocated for hostcalls has been exhausted", "store handle limit exceeded"];

/// The fault behind a failed call. The host's own limits pass through the guest as a `Fault`.
pub(crate) fn fault_of(error: &wasmtime::Error) -> Fault {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return *fault;
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Fault::HostCallBytes;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Fault::Fuel,
        Some(Trap::StackOverflow) => Fault::Stack,
        Some(Trap::Interrupt) => Fault::Cpu,
        Some(_) => Fault::Trap,
        None => {
            let text = error.root_cause().to_string();
            if HOST_CALL_ERRORS.iter().any(|known| text.contains(known)) {
                Fault::HostCallBytes
            } else {
                Fault::Trap
            }
        }
    }
}

/// Limits the memories and tables of a store. A guest that reaches a limit is stopped: if its
/// allocation only failed, it would fail in its own way, and the fault would hide the limit.
pub(crate) struct StoreLimiter {
    memory_bytes_left: usize,
    table_elements_left: usize,
}

impl StoreLimiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes_left: size(limits.memory_bytes),
            table_elements_left: size(limits.table_elements),
        }
    }
}

impl ResourceLimiter for StoreLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        take(&mut self.memory_bytes_left, current, desired)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        take(&mut self.table_elements_left, current, desired)
    }
}

/// All memories (or tables) of a store share one limit.
fn take(left: &mut usize, current: usize, desired: usize) -> Result<bool> {
    let Some(rest) = left.checked_sub(desired.saturating_sub(current)) else {
        return Err(Fault::Memory.into());
    };
    *left = rest;
    Ok(true)
}

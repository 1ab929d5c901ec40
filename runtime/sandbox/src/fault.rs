//! From what wasmtime says to the one case of `Fault` that the guest is charged with.

use crate::limits::{Limits, size};
use pylon_core::guest::Fault;
use wasmtime::component::ResourceTableError;
use wasmtime::{ResourceLimiter, Result, Trap};

/// wasmtime keeps these two errors to itself; their words are all there is to tell them by. A test trips each.
const TRAFFIC_WORDS: [&str; 2] =
    ["fuel allocated for hostcalls has been exhausted", "store handle limit exceeded"];

/// The limit behind a failed call. The host's own limits travel through the guest as a `Fault`.
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
            let words = error.root_cause().to_string();
            if TRAFFIC_WORDS.iter().any(|known| words.contains(known)) {
                Fault::HostCallBytes
            } else {
                Fault::Trap
            }
        }
    }
}

/// The ceiling over memories and tables. Whoever reaches it is stopped at once: a guest that is merely refused more would fail in its own way,
/// and the record would blame the guest's words instead of the limit.
pub(crate) struct Ceiling {
    memory_bytes: usize,
    table_elements: usize,
}

impl Ceiling {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: size(limits.memory_bytes),
            table_elements: size(limits.table_elements),
        }
    }
}

impl ResourceLimiter for Ceiling {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        take(&mut self.memory_bytes, current, desired)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        take(&mut self.table_elements, current, desired)
    }
}

/// What one memory grows by is gone for all.
fn take(left: &mut usize, current: usize, desired: usize) -> Result<bool> {
    let Some(rest) = left.checked_sub(desired.saturating_sub(current)) else {
        return Err(Fault::Memory.into());
    };
    *left = rest;
    Ok(true)
}

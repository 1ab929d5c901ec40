//! One call of a policy: a place, a fresh store with its limits, the call, and the fuel it took.

use crate::fault::{Ceiling, fault_of};
use crate::gate::Gate;
use crate::limits::{Limits, size};
use pylon_core::guest::{Cost, Fault};
use wasmtime::{Engine, Result, Store};

/// The engine of all policies, and the places in its pool.
pub(crate) struct PolicyTier {
    pub(crate) engine: Engine,
    pub(crate) gate: Gate,
}

/// What a policy's store holds: the ceiling, and nothing to reach.
pub(crate) struct PolicyState {
    ceiling: Ceiling,
}

impl PolicyTier {
    /// Asks one question of a guest that lives for it alone.
    pub(crate) fn ask<T>(
        &self,
        limits: &Limits,
        question: impl FnOnce(&mut Store<PolicyState>) -> Result<T>,
    ) -> (Result<T, Fault>, Cost) {
        let _place = self.gate.enter();
        let mut store = Store::new(&self.engine, PolicyState { ceiling: Ceiling::new(limits) });
        store.limiter(|state| &mut state.ceiling);
        store.set_hostcall_fuel(size(limits.hostcall_bytes));
        let value = store
            .set_fuel(limits.fuel)
            .and_then(|()| question(&mut store))
            .map_err(|error| fault_of(&error));
        let left = store.get_fuel().unwrap_or(0);
        (value, Cost::Fuel(limits.fuel.saturating_sub(left)))
    }
}

//! One call of a policy: a permit, a new store with its limits, the call, and the fuel that it
//! used.

use crate::bindings::types;
use crate::fault::{StoreLimiter, fault_of};
use crate::limits::{Limits, size};
use crate::policy_pool::PolicyPool;
use pylon_core::guest::{Cost, Fault};
use wasmtime::{Engine, Result, Store};

/// The engine of all policies, and the permits for its pool.
pub(crate) struct PolicyEngine {
    pub(crate) engine: Engine,
    pub(crate) pool: PolicyPool,
}

/// The data of a policy's store.
pub(crate) struct PolicyState {
    limiter: StoreLimiter,
}

/// What a call needs, apart from the guest's code and the arguments.
pub(crate) struct PolicyCall<'a> {
    pub(crate) engine: &'a PolicyEngine,
    pub(crate) limits: &'a Limits,
    pub(crate) settings: &'a [types::Param],
}

impl PolicyCall<'_> {
    /// Calls a guest in a new store.
    pub(crate) fn run<T>(
        &self,
        function: impl FnOnce(&mut Store<PolicyState>) -> Result<T>,
    ) -> (Result<T, Fault>, Cost) {
        let limits = self.limits;
        let _permit = self.engine.pool.acquire();
        let state = PolicyState { limiter: StoreLimiter::new(limits) };
        let mut store = Store::new(&self.engine.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(size(limits.hostcall_bytes));
        let value = store
            .set_fuel(limits.fuel)
            .and_then(|()| function(&mut store))
            .map_err(|error| fault_of(&error));
        let left = store.get_fuel().unwrap_or(0);
        (value, Cost::Fuel(limits.fuel.saturating_sub(left)))
    }
}

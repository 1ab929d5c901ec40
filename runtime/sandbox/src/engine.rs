//! The two engines. Fuel and epochs change the compiled code, so policies and handlers need
//! separate engines. The settings are the result of measurements: a call costs page faults and
//! memory resets more than instructions.

use crate::limits::{Limits, size};
use crate::slot::EngineKind;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Result,
};

/// For host calls on the stack of a handler, in addition to the stack of the guest.
const HOST_STACK_BYTES: usize = 256 << 10;
/// At least the whole memory of a small guest: its pages are then cleared without a system call.
/// Multiplied by the size of the pool, this is the memory that can stay resident.
const POLICY_KEEP_RESIDENT: usize = 512 << 10;
const HANDLER_KEEP_RESIDENT: usize = 2 << 20;
/// Pool slots that keep their pages after use.
const WARM_SLOTS: u32 = 16;
const POOL_INSTANCES_MIN: u32 = 4;
/// Upper limits of one component. The pool reserves these for each instance, so that a permit is
/// enough whatever other components use. A policy is one module and its stubs, JavaScript has a few
/// modules, Python about 30.
const POLICY_MODULES_MAX: u32 = 4;
const HANDLER_MODULES_MAX: u32 = 64;
const MEMORIES_MAX: u32 = 1;
const TABLES_MAX: u32 = 2;

/// An engine with the number of instances in its pool.
pub(crate) struct Pooled {
    pub(crate) engine: Engine,
    pub(crate) instances: u32,
}

pub(crate) fn policies(limits: &Limits, instances: u32) -> Result<Pooled> {
    pooled(EngineKind::Policy, limits, instances)
}

pub(crate) fn handlers(limits: &Limits, instances: u32) -> Result<Pooled> {
    pooled(EngineKind::Handler, limits, instances)
}

/// Compiles code for the pooled engine of this kind. It runs nothing, so it reserves no memory.
pub(crate) fn compiler(kind: EngineKind, limits: &Limits) -> Result<Engine> {
    Engine::new(&code(kind, limits))
}

/// All settings that affect compiled code.
fn code(kind: EngineKind, limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .concurrency_support(false)
        .memory_init_cow(true)
        .memory_reservation(limits.memory_bytes)
        .memory_guard_size(32 << 10)
        .max_wasm_stack(size(Limits::STACK_BYTES))
        .wasm_backtrace_max_frames(None)
        // Not used: it would make the code larger and slower to load.
        .native_unwind_info(false)
        .generate_address_map(false)
        .wasm_threads(false);
    match kind {
        // Fuel, no epochs, nothing that depends on the machine.
        EngineKind::Policy => {
            config.consume_fuel(true).cranelift_nan_canonicalization(true).wasm_relaxed_simd(false)
        }
        // Epochs and async calls.
        EngineKind::Handler => config
            .epoch_interruption(true)
            .async_stack_size(size(Limits::STACK_BYTES).saturating_add(HOST_STACK_BYTES)),
    };
    config
}

fn pool(kind: EngineKind, limits: &Limits, instances: u32) -> PoolingAllocationConfig {
    let modules = match kind {
        EngineKind::Policy => POLICY_MODULES_MAX,
        EngineKind::Handler => HANDLER_MODULES_MAX,
    };
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(modules))
        .max_core_instances_per_component(modules)
        .total_memories(instances.saturating_mul(MEMORIES_MAX))
        .max_memories_per_component(MEMORIES_MAX)
        .total_tables(instances.saturating_mul(TABLES_MAX))
        .max_tables_per_component(TABLES_MAX)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .max_memory_size(size(limits.memory_bytes))
        .table_elements(size(limits.table_elements))
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(WARM_SLOTS)
        .pagemap_scan(Enabled::Auto);
    match kind {
        // A policy runs on its caller's stack: a separate one would cost a system call per call.
        EngineKind::Policy => {
            pool.linear_memory_keep_resident(POLICY_KEEP_RESIDENT).total_stacks(0)
        }
        EngineKind::Handler => {
            pool.linear_memory_keep_resident(HANDLER_KEEP_RESIDENT).total_stacks(instances)
        }
    };
    pool
}

/// If the pool cannot be reserved, a smaller one is tried and logged. Allocation on demand is not
/// an alternative: it is ten times slower and not bounded.
fn pooled(kind: EngineKind, limits: &Limits, instances: u32) -> Result<Pooled> {
    let mut instances = instances.max(POOL_INSTANCES_MIN);
    loop {
        let mut config = code(kind, limits);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(
            kind, limits, instances,
        )));
        match Engine::new(&config) {
            Ok(engine) => return Ok(Pooled { engine, instances }),
            Err(error) if instances / 2 >= POOL_INSTANCES_MIN => {
                tracing::warn!(
                    engine = kind.name(),
                    instances,
                    error = format!("{error:#}"),
                    "cannot reserve the pool of guest instances, trying half the size"
                );
                instances /= 2;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: if the pool cannot be reserved, a smaller one is used. Method: memories of 4 GiB, more
    /// of them than any process can address.
    #[test]
    fn a_pool_that_cannot_be_reserved_is_halved() {
        let large = Limits { memory_bytes: 4 << 30, table_elements: 10, ..Limits::POLICY };
        let requested = 1 << 17;
        let pooled = policies(&large, requested).unwrap();
        assert!(
            (POOL_INSTANCES_MIN..requested).contains(&pooled.instances),
            "{}",
            pooled.instances
        );
        assert_eq!(policies(&Limits::POLICY, 1).unwrap().instances, POOL_INSTANCES_MIN);
    }

    /// Goal: code of the compiler engine loads into the pooled engine. Method: compare their ids,
    /// for both kinds.
    #[test]
    fn code_does_not_depend_on_the_pool() {
        let id = |engine: &Engine| crate::precompiled::engine_id(engine);
        let (policy, handler) =
            (policies(&Limits::POLICY, 4).unwrap(), handlers(&Limits::HANDLER, 4).unwrap());
        assert_eq!(id(&policy.engine), id(&compiler(EngineKind::Policy, &Limits::POLICY).unwrap()));
        assert_eq!(
            id(&handler.engine),
            id(&compiler(EngineKind::Handler, &Limits::HANDLER).unwrap())
        );
        assert_ne!(id(&policy.engine), id(&handler.engine));
    }
}

//! The two engines. Fuel and epochs change the compiled code, so policies and handlers cannot share one; the numbers behind each setting are
//! measured: what a call costs is page faults and resets, not instructions.

use crate::limits::{Limits, size};
use crate::slot::Tier;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Result,
};

/// Beside it, for what the host does on the stack of a handler.
const HOST_STACK_BYTES: usize = 256 << 10;
/// At least the whole memory of a small guest, so that its slot is wiped by hand and needs no system call; times the pool, what may stay resident.
const POLICY_KEEP_RESIDENT: usize = 512 << 10;
const HANDLER_KEEP_RESIDENT: usize = 2 << 20;
/// Slots that keep their pages after use.
const WARM_SLOTS: u32 = 16;
const SMALLEST_POOL: u32 = 4;
/// What one component may have at once. The pool has as much for each of its places, so that who has a place never lacks the rest, whatever others are
/// made of. A policy is one module and its stubs, JavaScript a few, Python brings its libraries as modules: some 30.
const POLICY_MODULES: u32 = 4;
const HANDLER_MODULES: u32 = 64;
const MEMORIES: u32 = 1;
const TABLES: u32 = 2;

/// An engine with the number of instances its pool holds.
pub(crate) struct Pooled {
    pub(crate) engine: Engine,
    pub(crate) instances: u32,
}

pub(crate) fn policies(limits: &Limits, instances: u32) -> Result<Pooled> {
    pooled(Tier::Policy, limits, instances)
}

pub(crate) fn handlers(limits: &Limits, instances: u32) -> Result<Pooled> {
    pooled(Tier::Handler, limits, instances)
}

/// Makes code that the pooled engine of this tier loads. Nothing runs on it, so it reserves nothing.
pub(crate) fn compiler(tier: Tier, limits: &Limits) -> Result<Engine> {
    Engine::new(&code(tier, limits))
}

/// Everything that the compiled code depends on.
fn code(tier: Tier, limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .concurrency_support(false)
        .memory_init_cow(true)
        .memory_reservation(limits.memory_bytes)
        .memory_guard_size(32 << 10)
        .max_wasm_stack(size(Limits::STACK_BYTES))
        .wasm_backtrace_max_frames(None)
        // Nobody unwinds through guests or asks where in one it was; each would make code larger and slower to load.
        .native_unwind_info(false)
        .generate_address_map(false)
        .wasm_threads(false);
    match tier {
        // Fuel, no epochs, nothing that could differ between two machines.
        Tier::Policy => {
            config.consume_fuel(true).cranelift_nan_canonicalization(true).wasm_relaxed_simd(false)
        }
        // Epochs, calls that wait.
        Tier::Handler => config
            .epoch_interruption(true)
            .async_stack_size(size(Limits::STACK_BYTES).saturating_add(HOST_STACK_BYTES)),
    };
    config
}

fn pool(tier: Tier, limits: &Limits, instances: u32) -> PoolingAllocationConfig {
    let modules = match tier {
        Tier::Policy => POLICY_MODULES,
        Tier::Handler => HANDLER_MODULES,
    };
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(modules))
        .max_core_instances_per_component(modules)
        .total_memories(instances.saturating_mul(MEMORIES))
        .max_memories_per_component(MEMORIES)
        .total_tables(instances.saturating_mul(TABLES))
        .max_tables_per_component(TABLES)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .max_memory_size(size(limits.memory_bytes))
        .table_elements(size(limits.table_elements))
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(WARM_SLOTS)
        .pagemap_scan(Enabled::Auto);
    match tier {
        // A policy runs on its caller's stack; each stack of its own would cost a system call at every start.
        Tier::Policy => pool.linear_memory_keep_resident(POLICY_KEEP_RESIDENT).total_stacks(0),
        Tier::Handler => {
            pool.linear_memory_keep_resident(HANDLER_KEEP_RESIDENT).total_stacks(instances)
        }
    };
    pool
}

/// A pool that cannot be reserved becomes a smaller one, said aloud; never allocation on demand, which is ten times slower and unbounded.
fn pooled(tier: Tier, limits: &Limits, instances: u32) -> Result<Pooled> {
    let mut instances = instances.max(SMALLEST_POOL);
    loop {
        let mut config = code(tier, limits);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(
            tier, limits, instances,
        )));
        match Engine::new(&config) {
            Ok(engine) => return Ok(Pooled { engine, instances }),
            Err(error) if instances / 2 >= SMALLEST_POOL => {
                tracing::warn!(
                    tier = tier.name(),
                    instances,
                    error = format!("{error:#}"),
                    "the pool of guests cannot be reserved: trying half of it"
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

    /// Goal: a machine that cannot reserve the pool runs a smaller one. Method: memories of 4 GiB, more of them than any process can address.
    #[test]
    fn a_pool_that_does_not_fit_is_halved() {
        let large = Limits { memory_bytes: 4 << 30, table_elements: 10, ..Limits::POLICY };
        let asked = 1 << 17;
        let pooled = policies(&large, asked).unwrap();
        assert!((SMALLEST_POOL..asked).contains(&pooled.instances), "{}", pooled.instances);
        assert_eq!(policies(&Limits::POLICY, 1).unwrap().instances, SMALLEST_POOL);
    }

    /// Goal: what is compiled apart loads into the engine that runs it. Method: the hashes of both, for both tiers; the tiers differ.
    #[test]
    fn code_does_not_depend_on_the_pool() {
        let id = |engine: &Engine| crate::image::engine_id(engine);
        let (policy, handler) =
            (policies(&Limits::POLICY, 4).unwrap(), handlers(&Limits::HANDLER, 4).unwrap());
        assert_eq!(id(&policy.engine), id(&compiler(Tier::Policy, &Limits::POLICY).unwrap()));
        assert_eq!(id(&handler.engine), id(&compiler(Tier::Handler, &Limits::HANDLER).unwrap()));
        assert_ne!(id(&policy.engine), id(&handler.engine));
    }
}

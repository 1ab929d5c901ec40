//! The two engines. Fuel and epochs change the compiled code, so policies and handlers cannot share one; the numbers behind each setting are
//! measured: what a call costs is page faults and resets, not instructions.

use crate::limits::{Limits, size};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Result};

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

/// Fuel, no epochs, nothing that could differ between two machines.
pub(crate) fn policies(limits: &Limits, instances: u32) -> Result<Pooled> {
    pooled("policies", instances, |instances| {
        let mut pool = pool(limits, instances, POLICY_MODULES);
        pool.linear_memory_keep_resident(POLICY_KEEP_RESIDENT).pagemap_scan(Enabled::Auto);
        // A policy runs on its caller's stack; each stack of its own would cost a system call at every start.
        pool.total_stacks(0);
        let mut config = common(limits, pool);
        config.consume_fuel(true).cranelift_nan_canonicalization(true).wasm_relaxed_simd(false).wasm_threads(false);
        config
    })
}

/// Epochs, calls that wait.
pub(crate) fn handlers(limits: &Limits, instances: u32) -> Result<Pooled> {
    pooled("handlers", instances, |instances| {
        let mut pool = pool(limits, instances, HANDLER_MODULES);
        pool.linear_memory_keep_resident(HANDLER_KEEP_RESIDENT).pagemap_scan(Enabled::Auto);
        pool.total_stacks(instances);
        let mut config = common(limits, pool);
        config.epoch_interruption(true).async_stack_size(size(limits.stack_bytes).saturating_add(256 << 10)).wasm_threads(false);
        config
    })
}

fn common(limits: &Limits, pool: PoolingAllocationConfig) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .concurrency_support(false)
        .memory_init_cow(true)
        .memory_reservation(limits.memory_bytes)
        .memory_guard_size(32 << 10)
        .max_wasm_stack(size(limits.stack_bytes))
        .wasm_backtrace_max_frames(None)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn pool(limits: &Limits, instances: u32, modules: u32) -> PoolingAllocationConfig {
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
        .max_unused_warm_slots(WARM_SLOTS);
    pool
}

/// A pool that cannot be reserved becomes a smaller one, said aloud; never allocation on demand, which is ten times slower and unbounded.
fn pooled(tier: &str, instances: u32, config: impl Fn(u32) -> Config) -> Result<Pooled> {
    let mut instances = instances.max(SMALLEST_POOL);
    loop {
        match Engine::new(&config(instances)) {
            Ok(engine) => return Ok(Pooled { engine, instances }),
            Err(error) if instances / 2 >= SMALLEST_POOL => {
                tracing::warn!(
                    tier,
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

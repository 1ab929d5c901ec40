//! The baseline of a policy call: only wasmtime, with prepared arguments; with the settings of the
//! sandbox, or with those that the documentation of wasmtime recommends.

mod bindings;

use self::bindings::exports::pylon::provider::pricing;
use self::bindings::pylon::provider::types;
use self::bindings::{PricingPolicy, PricingPolicyPre};
use pylon_sandbox::Installed;
use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Store,
    StoreLimits, StoreLimitsBuilder,
};

/// Calls one pricing guest in a loop.
pub struct Baseline {
    engine: Engine,
    policy: PricingPolicyPre<StoreLimits>,
    job: types::Job,
    context: pricing::Context,
    situation: types::Situation,
}

/// An instance that serves more than one call.
pub struct Warm<'a> {
    baseline: &'a Baseline,
    store: Store<StoreLimits>,
    policy: PricingPolicy,
}

impl Baseline {
    /// With the settings of the sandbox.
    pub fn new(bytes: &[u8], guest: &Installed) -> Self {
        Self::with(&config(), bytes, guest)
    }

    /// With the settings that wasmtime's documentation recommends for many short calls.
    pub fn recommended(bytes: &[u8], guest: &Installed) -> Self {
        Self::with(&recommended(), bytes, guest)
    }

    fn with(config: &Config, bytes: &[u8], guest: &Installed) -> Self {
        let engine = Engine::new(config).unwrap();
        let component = Component::new(&engine, bytes).unwrap();
        let policy = Linker::new(&engine)
            .instantiate_pre(&component)
            .and_then(PricingPolicyPre::new)
            .unwrap();
        let settings = guest
            .settings()
            .into_iter()
            .map(|param| types::Param { name: param.name, values: param.values });
        let param = |name: &str, value: &str| types::Param {
            name: name.into(),
            values: vec![value.into()],
        };
        let target = types::ModelTarget { backend: "ollama".into(), model: "llama3.2".into() };
        let history = || pricing::History {
            first_seen: None,
            jobs_completed: 0,
            jobs_unpaid: 0,
            paid_msat: 0,
            recent_paid_msat: 0,
        };
        Self {
            engine,
            policy,
            job: types::Job {
                id: "01".repeat(32),
                kind: 5050,
                customer: "02".repeat(32),
                created_at: 1_700_000_000,
                inputs: Vec::new(),
                params: vec![param("model", "llama3.2"), param("max_tokens", "256")],
                output: Some("text/plain".into()),
                bid_msat: Some(100_000),
                targeted: true,
                confidential: false,
            },
            context: pricing::Context {
                route: types::Route {
                    target: types::ExecutionTarget::Model(target),
                    price_permille: 1000,
                },
                input_tokens_estimate: 100,
                terms: vec![
                    pricing::Terms::Free,
                    pricing::Terms::OnDelivery,
                    pricing::Terms::BeforeWork,
                ],
                max_receivable_msat: 1_000_000,
                step_msat: 1,
                customer: history(),
                ours: history(),
                market: None,
            },
            situation: types::Situation {
                now: 1_700_000_001,
                settings: settings.collect(),
                queued: 0,
                running: 0,
                capacity: 1,
                extra: Vec::new(),
            },
        }
    }

    /// A store and an instance for one call, as in the sandbox.
    pub fn call(&self) {
        let mut store = self.store();
        let policy = self.policy.instantiate(&mut store).unwrap();
        self.quote(&policy, &mut store);
        store.get_fuel().unwrap();
    }

    /// An instance for several calls.
    pub fn warm(&self) -> Warm<'_> {
        let mut store = self.store();
        let policy = self.policy.instantiate(&mut store).unwrap();
        Warm { baseline: self, store, policy }
    }

    fn store(&self) -> Store<StoreLimits> {
        let limits = StoreLimitsBuilder::new().memory_size(4 << 20).table_elements(10_000).build();
        let mut store = Store::new(&self.engine, limits);
        store.limiter(|limits| limits);
        store.set_fuel(11_000_000).unwrap();
        store
    }

    fn quote(&self, policy: &PricingPolicy, store: &mut Store<StoreLimits>) {
        let quoted = policy.pylon_provider_pricing().call_quote(
            store,
            &self.job,
            &self.context,
            &self.situation,
        );
        quoted.unwrap().unwrap();
    }
}

impl Warm<'_> {
    /// The call alone. The guest never frees memory, so an instance serves only some dozens.
    pub fn call(&mut self) {
        self.baseline.quote(&self.policy, &mut self.store);
    }
}

/// Pooling, copy-on-write, and the numbers of the examples.
fn recommended() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(1100)
        .total_core_instances(4400)
        .total_memories(1100)
        .total_tables(2200)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .max_memory_size(64 << 20)
        .table_elements(20_000)
        .linear_memory_keep_resident(128 << 10)
        .table_keep_resident(16 << 10)
        .max_unused_warm_slots(64);
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        .memory_reservation(64 << 20)
        .memory_guard_size(32 << 10)
        .max_wasm_stack(256 << 10)
        .consume_fuel(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// As in `engine.rs` of the sandbox.
fn config() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(66)
        .total_core_instances(264)
        .total_memories(66)
        .total_tables(132)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .max_memory_size(4 << 20)
        .table_elements(10_000)
        .linear_memory_keep_resident(512 << 10)
        .pagemap_scan(wasmtime::Enabled::Auto)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(16);
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .concurrency_support(false)
        .memory_reservation(4 << 20)
        .memory_guard_size(32 << 10)
        .max_wasm_stack(256 << 10)
        .wasm_backtrace_max_frames(None)
        .consume_fuel(true)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

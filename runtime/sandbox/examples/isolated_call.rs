//! What an isolated policy call costs through this crate, against a bare wasmtime loop with the same settings that has its arguments ready:
//!
//!     cargo run --release -p pylon-sandbox --example isolated_call -- token_pricing.wasm
//!
//! Medians of interleaved rounds; the resident memory is that of this process, before and after a burst on all places of the pool.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement that cannot go on has nothing to say")]

use pylon_core::decision::{History, QuoteContext, Situation, Terms};
use pylon_core::work::{Route, WorkPlace};
use pylon_core::{Job, JobId, Msat, Param, PublicKey, UnixTime};
use pylon_sandbox::{Config, Installed, Sandbox, Setup};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 15;
const CALLS: usize = 2000;

#[tokio::main]
async fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| panic!("the path of token_pricing.wasm"));
    let bytes = std::fs::read(path).unwrap();
    let sandbox = Sandbox::open(Config::default()).unwrap();
    let guest = sandbox.load("pricing".parse().unwrap(), &bytes, Setup::default()).await.unwrap();
    let bare = bare::Loop::new(&bytes, &guest);
    let (job, context, situation) = (job(), context(), situation());
    guest.quote(&job, &context, &situation).value.unwrap().unwrap();

    let (mut ours, mut theirs, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(micros(|| drop(black_box(guest.quote(&job, &context, &situation)))));
        theirs.push(micros(|| bare.call()));
        warm.push(bare.warm());
    }
    let (ours, theirs, warm) = (median(ours), median(theirs), median(warm));
    println!("through the crate {ours:.2} us, bare loop {theirs:.2} us, warm instance without isolation {warm:.2} us");
    let before = resident_kib();
    burst(&guest);
    println!("resident: {before} KiB before a burst, {} KiB after", resident_kib());
    let ratio = ours / theirs;
    println!(
        "{{\"bench\": \"isolated_call\", \"figures\": [{{\"name\": \"policy call\", \"ours\": {ours:.2}, \"against\": {theirs:.2}, \
         \"ratio\": {ratio:.2}, \"goal\": 1.5, \"holds\": {}}}]}}",
        ratio <= 1.5
    );
}

fn micros(mut call: impl FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    started.elapsed().as_secs_f64() * 1e6 / CALLS as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Many threads at once, so that every slot of the pool has been used.
fn burst(guest: &Installed) {
    let (job, context, situation) = (job(), context(), situation());
    std::thread::scope(|scope| {
        for _ in 0..128 {
            scope.spawn(|| (0..200).for_each(|_| drop(guest.quote(&job, &context, &situation))));
        }
    });
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn job() -> Job {
    Job {
        id: JobId::from_bytes([1; 32]),
        kind: 5050,
        customer: PublicKey::from_bytes([2; 32]),
        created_at: UnixTime::new(1_700_000_000),
        inputs: Vec::new(),
        params: vec![
            Param { name: "model".into(), values: vec!["llama3.2".into()] },
            Param { name: "max_tokens".into(), values: vec!["256".into()] },
        ],
        output: Some("text/plain".into()),
        bid: Some(Msat::new(100_000)),
        targeted: true,
        confidential: false,
    }
}

fn context() -> QuoteContext {
    QuoteContext {
        route: Route { place: WorkPlace::Model { backend: "ollama".into(), model: "llama3.2".into() }, price_permille: 1000 },
        input_tokens_estimate: 100,
        terms: vec![Terms::Free, Terms::OnDelivery, Terms::BeforeWork],
        max_receivable: Msat::new(1_000_000),
        step: Msat::new(1),
        customer: History::default(),
        ours: History::default(),
        market: None,
    }
}

fn situation() -> Situation {
    Situation { now: UnixTime::new(1_700_000_001), queued: 0, running: 0, capacity: 1, extra: Vec::new() }
}

/// The yardstick: nothing but wasmtime.
mod bare {
    use exports::pylon::provider::pricing;
    use pylon::provider::types;
    use pylon_sandbox::Installed;
    use std::time::Instant;
    use wasmtime::component::{Component, Linker};
    use wasmtime::{
        Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Store, StoreLimits, StoreLimitsBuilder,
    };

    wasmtime::component::bindgen!({ path: "../../wit", world: "pylon:provider/pricing-policy" });

    pub struct Loop {
        engine: Engine,
        policy: PricingPolicyPre<StoreLimits>,
        job: types::Job,
        context: pricing::Context,
        situation: types::Situation,
    }

    impl Loop {
        pub fn new(bytes: &[u8], guest: &Installed) -> Self {
            let engine = Engine::new(&config()).unwrap();
            let component = Component::new(&engine, bytes).unwrap();
            let policy = Linker::new(&engine).instantiate_pre(&component).and_then(PricingPolicyPre::new).unwrap();
            let settings = guest.settings().into_iter().map(|param| types::Param { name: param.name, values: param.values });
            let param = |name: &str, value: &str| types::Param { name: name.into(), values: vec![value.into()] };
            let place = types::ModelPlace { backend: "ollama".into(), model: "llama3.2".into() };
            let history =
                || pricing::History { first_seen: None, jobs_completed: 0, jobs_unpaid: 0, paid_msat: 0, recent_paid_msat: 0 };
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
                    route: types::Route { place: types::WorkPlace::Model(place), price_permille: 1000 },
                    input_tokens_estimate: 100,
                    terms: vec![pricing::Terms::Free, pricing::Terms::OnDelivery, pricing::Terms::BeforeWork],
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

        pub fn call(&self) {
            let mut store = self.store();
            let policy = self.policy.instantiate(&mut store).unwrap();
            self.quote(&policy, &mut store);
            store.get_fuel().unwrap();
        }

        /// One instance for all calls, until its memory is full: the allocator of a policy never gives back.
        pub fn warm(&self) -> f64 {
            let mut store = self.store();
            let policy = self.policy.instantiate(&mut store).unwrap();
            let started = Instant::now();
            for _ in 0..100 {
                self.quote(&policy, &mut store);
            }
            started.elapsed().as_secs_f64() * 1e6 / 100.0
        }

        fn store(&self) -> Store<StoreLimits> {
            let limits = StoreLimitsBuilder::new().memory_size(4 << 20).table_elements(10_000).build();
            let mut store = Store::new(&self.engine, limits);
            store.limiter(|limits| limits);
            store.set_fuel(11_000_000).unwrap();
            store
        }

        fn quote(&self, policy: &PricingPolicy, store: &mut Store<StoreLimits>) {
            let quoted = policy.pylon_provider_pricing().call_quote(store, &self.job, &self.context, &self.situation);
            quoted.unwrap().unwrap();
        }
    }

    /// As `engine.rs` has it.
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
}

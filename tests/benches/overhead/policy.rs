//! The isolated policy call: through the node's own API, bare, and a process instead of it.

use pylon_core::decision::{History, QuoteContext, Situation, Terms};
use pylon_core::ports::guests::{GuestSet, GuestSets};
use pylon_core::work::{ExecutionTarget, Route};
use pylon_core::{Job, JobId, Msat, Param, PublicKey, UnixTime};
use pylon_tests::baseline::Baseline;
use pylon_tests::figures::{Figure, Goal, median};
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: usize = 15;
const CALLS: u32 = 2_000;
const SPAWNS: u32 = 20;

pub(crate) async fn measure() -> Vec<Figure> {
    let folder = tempfile::tempdir().unwrap();
    let shipped = crate::shipped(folder.path()).await;
    let (_, guest) = shipped
        .guest_sets
        .list()
        .into_iter()
        .find(|(slot, _)| slot.to_string() == "pricing")
        .unwrap();
    let bytes = pylon_slots::component("token_pricing").unwrap();
    let bare = Baseline::new(bytes, &guest);
    let guests: Arc<dyn GuestSet> = shipped.guest_sets.current();
    let (job, context, situation) = (job(), context(), situation());
    guests.quote(&job, &context, &situation).value.unwrap().unwrap();

    let (mut ours, mut theirs, mut spawned) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(micros(CALLS, || drop(black_box(guests.quote(&job, &context, &situation)))));
        theirs.push(micros(CALLS, || bare.call()));
        spawned.push(micros(SPAWNS, || {
            assert!(Command::new("/bin/true").status().unwrap().success())
        }));
    }
    let (ours, theirs, spawned) = (median(ours), median(theirs), median(spawned));
    vec![
        Figure {
            name: "policy call ÷ bare wasmtime loop (µs)",
            ours,
            against: theirs,
            goal: Goal::AtMost(1.5),
        },
        Figure {
            name: "spawn of /bin/true ÷ policy call (µs)",
            ours: spawned,
            against: ours,
            goal: Goal::AtLeast(60.0),
        },
    ]
}

fn micros(times: u32, mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    (0..times).for_each(|_| call());
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(times)
}

fn job() -> Job {
    let param = |name: &str, value: &str| Param { name: name.into(), values: vec![value.into()] };
    Job {
        id: JobId::from_bytes([1; 32]),
        kind: 5050,
        customer: PublicKey::from_bytes([2; 32]),
        created_at: UnixTime::new(1_700_000_000),
        inputs: Vec::new(),
        params: vec![param("model", "llama3.2"), param("max_tokens", "256")],
        output: Some("text/plain".into()),
        bid: Some(Msat::new(100_000)),
        targeted: true,
        confidential: false,
        expires_at: None,
        origin: String::new(),
    }
}

fn context() -> QuoteContext {
    QuoteContext {
        route: Route {
            target: ExecutionTarget::Model { backend: "ollama".into(), model: "llama3.2".into() },
            price_permille: 1000,
        },
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
    Situation {
        now: UnixTime::new(1_700_000_001),
        queued: 0,
        running: 0,
        capacity: 1,
        extra: Vec::new(),
    }
}

//! A guest next to a hostile one, against the same guest next to a well-behaved one that is called
//! without a pause, so that only the harm is measured and not the load.

use crate::host::Host;
use crate::questions::{KIND, context, job, load, sandbox, situation};
use pylon_core::ports::guests::HandlerHost;
use pylon_sandbox::{Installed, Limits};
use pylon_tests::figures::{Figure, Goal, median};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Many short rounds, so that other load of the machine affects both.
const ROUNDS: usize = 31;
const ROUND: Duration = Duration::from_millis(30);

const POLICIES: [(&str, &str); 5] = [
    ("fuel", "p50 next to a policy that never ends (µs)"),
    ("memory", "p50 next to a policy that grows its memory (µs)"),
    ("stack", "p50 next to a policy that recurses (µs)"),
    ("traffic", "p50 next to a policy that says too much (µs)"),
    ("trap", "p50 next to a policy that traps (µs)"),
];

const HANDLERS: [(&str, &str); 8] = [
    ("cpu", "p50 next to a handler that never ends (µs)"),
    ("memory", "p50 next to a handler that takes all memory (µs)"),
    ("stack", "p50 next to a handler that recurses (µs)"),
    ("hostcall", "p50 next to a handler with a huge string (µs)"),
    ("log", "p50 next to a handler that floods the log (µs)"),
    ("emits", "p50 next to a handler that floods with progress (µs)"),
    ("resources", "p50 next to a handler with 1,000 resources (µs)"),
    ("output", "p50 next to a handler with a huge output (µs)"),
];

pub(crate) async fn measure() -> Vec<Figure> {
    let sandbox = sandbox();
    let neighbour = load(&sandbox, "pricing", "token_pricing", None, None).await;
    let limits = Limits { cpu_ms: 50, ..Limits::HANDLER };
    let slot = format!("handler:{KIND}");
    let quiet = [
        load(&sandbox, "pricing", "hostile_pricing", Some("answer"), None).await,
        load(&sandbox, &slot, "hostile_handler", Some("answer"), None).await,
    ];
    let mut figures = Vec::new();
    for (what, name) in POLICIES {
        let hostile = load(&sandbox, "pricing", "hostile_pricing", Some(what), None).await;
        figures.push(figure(name, &neighbour, &quiet[0], &hostile));
    }
    for (what, name) in HANDLERS {
        let hostile = load(&sandbox, &slot, "hostile_handler", Some(what), Some(limits)).await;
        figures.push(figure(name, &neighbour, &quiet[1], &hostile));
    }
    figures
}

fn figure(
    name: &'static str,
    neighbour: &Installed,
    quiet: &Arc<Installed>,
    hostile: &Arc<Installed>,
) -> Figure {
    let (mut beside_hostile, mut beside_quiet) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        beside_quiet.push(p50_beside(neighbour, quiet));
        beside_hostile.push(p50_beside(neighbour, hostile));
    }
    Figure {
        name,
        ours: median(beside_hostile),
        against: median(beside_quiet),
        goal: Goal::AtMost(1.2),
    }
}

/// Duration of the guest's calls, while another thread calls the other guest without a pause.
fn p50_beside(neighbour: &Installed, other: &Arc<Installed>) -> f64 {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let host: Arc<dyn HandlerHost> = Arc::new(Host::at_once());
            let (job, context, situation) = (job(2), context(), situation());
            while !done.load(Ordering::SeqCst) {
                if other.guest_ref().slot == "handler" {
                    drop(runtime.block_on(other.run(&job, 60_000, Arc::clone(&host))));
                } else {
                    drop(other.quote(&job, &context, &situation));
                }
            }
        });
        let (job, context, situation) = (job(1), context(), situation());
        let (begun, mut micros) = (Instant::now(), Vec::new());
        while begun.elapsed() < ROUND {
            let asked = Instant::now();
            neighbour.quote(&job, &context, &situation).value.unwrap().unwrap();
            micros.push(asked.elapsed().as_secs_f64() * 1e6);
        }
        done.store(true, Ordering::SeqCst);
        median(micros)
    })
}

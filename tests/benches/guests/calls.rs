//! One call: isolated against warm, our settings against the recommended ones, a handler against a
//! process.

use crate::component;
use crate::host::Host;
use crate::questions::{KIND, context, job, load, micros, sandbox, situation};
use pylon_core::ports::guests::HandlerHost;
use pylon_tests::baseline::Baseline;
use pylon_tests::figures::{Figure, Goal, median};
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: usize = 15;
const CALLS: u32 = 2_000;
/// Calls of one instance: the guest never frees memory.
const CALLS_OF_A_WARM_INSTANCE: u32 = 16;
const SPAWNS: u32 = 20;

pub(crate) async fn measure() -> Vec<Figure> {
    let sandbox = sandbox();
    let guest = load(&sandbox, "pricing", "token_pricing", None, None).await;
    let handler =
        load(&sandbox, &format!("handler:{KIND}"), "hostile_handler", Some("wait"), None).await;
    let host: Arc<dyn HandlerHost> = Arc::new(Host::at_once());
    let bytes = component("token_pricing");
    let (bare, recommended) = (Baseline::new(bytes, &guest), Baseline::recommended(bytes, &guest));
    let (asked, context, situation) = (job(1), context(), situation());
    guest.quote(&asked, &context, &situation).value.unwrap().unwrap();

    let (mut isolated, mut warm, mut ours, mut theirs) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut handled, mut spawned) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        isolated.push(micros(CALLS, || drop(black_box(guest.quote(&asked, &context, &situation)))));
        warm.push(warm_micros(&bare));
        ours.push(micros(CALLS, || bare.call()));
        theirs.push(micros(CALLS, || recommended.call()));
        let begun = Instant::now();
        for _ in 0..CALLS {
            handler.run(&asked, 60_000, Arc::clone(&host)).await.value.unwrap().unwrap();
        }
        handled.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
        spawned.push(micros(SPAWNS, || {
            assert!(Command::new("/bin/true").status().unwrap().success())
        }));
    }
    let ours = median(ours);
    vec![
        Figure {
            name: "isolated ÷ warm policy call (µs)",
            ours: median(isolated),
            against: median(warm),
            goal: Goal::AtMost(6.0),
        },
        Figure {
            name: "textbook pooling ÷ our settings (µs)",
            ours: median(theirs),
            against: ours,
            goal: Goal::AtLeast(2.0),
        },
        Figure {
            name: "spawn of /bin/true ÷ handler with one host call (µs)",
            ours: median(spawned),
            against: median(handled),
            goal: Goal::AtLeast(40.0),
        },
    ]
}

fn warm_micros(bare: &Baseline) -> f64 {
    let means = (0..CALLS / CALLS_OF_A_WARM_INSTANCE).map(|_| {
        let mut warm = bare.warm();
        // The first call touches pages that later ones use.
        warm.call();
        micros(CALLS_OF_A_WARM_INSTANCE, || warm.call())
    });
    median(means.collect())
}

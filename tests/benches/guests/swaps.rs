//! A policy that is swapped continuously under load: no call is lost, delayed, or answered by the
//! wrong guest.

use crate::questions::{context, job, load, sandbox, situation};
use pylon_core::decision::Refusal;
use pylon_core::ports::guests::GuestSets;
use pylon_sandbox::{GuestSetRegistry, Installed};
use pylon_tests::figures::{Figure, Goal, median};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Three seconds with swaps and three without, in turns.
const ROUNDS: usize = 6;
const ROUND: Duration = Duration::from_millis(500);
const EVERY: Duration = Duration::from_millis(5);
const CALLERS: usize = 2;

#[derive(Default)]
struct Seen {
    micros: Vec<f64>,
    dropped: u32,
    mixed: u32,
    answers: [u32; 2],
}

pub(crate) async fn measure() -> Vec<Figure> {
    let sandbox = sandbox();
    let offers = load(&sandbox, "pricing", "token_pricing", None, None).await;
    let refuses = load(&sandbox, "pricing", "hostile_pricing", Some("refuse"), None).await;
    let routing = load(&sandbox, "routing", "preferred_routing", None, None).await;
    let verification = load(&sandbox, "verification", "basic_verification", None, None).await;
    let guest_sets = GuestSetRegistry::new(routing, Arc::clone(&offers), verification).unwrap();
    let (mut with, mut without, mut all) = (Vec::new(), Vec::new(), Seen::default());
    for _ in 0..ROUNDS {
        without.push(median(round(&guest_sets, None).micros));
        // The same two guests in the same shares, without swaps between them.
        let seen = round(&guest_sets, Some([&offers, &refuses]));
        with.push(median(seen.micros));
        all.dropped += seen.dropped;
        all.mixed += seen.mixed;
        (0..2).for_each(|which| all.answers[which] += seen.answers[which]);
    }
    assert!(all.answers.iter().all(|count| *count > 100), "both served: {:?}", all.answers);
    let none = |name, count: u32| Figure {
        name,
        ours: f64::from(count),
        against: 1.0,
        goal: Goal::AtMost(0.0),
    };
    vec![
        none("calls dropped while swapped every 5 ms (calls)", all.dropped),
        none("answers of another revision (calls)", all.mixed),
        Figure {
            name: "p50 while swapped ÷ without (µs)",
            ours: median(with),
            against: median(without),
            goal: Goal::AtMost(1.1),
        },
    ]
}

fn round(guest_sets: &GuestSetRegistry, swapped: Option<[&Arc<Installed>; 2]>) -> Seen {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..CALLERS).map(|_| scope.spawn(|| call(guest_sets, &done))).collect();
        let (begun, mut number) = (Instant::now(), 0);
        while begun.elapsed() < ROUND {
            std::thread::sleep(EVERY);
            if let Some(guests) = swapped {
                number += 1;
                guest_sets.install("pricing".parse().unwrap(), guests[number % 2]).unwrap();
            }
        }
        done.store(true, Ordering::SeqCst);
        let mut all = Seen::default();
        for seen in callers.into_iter().map(|caller| caller.join().unwrap()) {
            all.micros.extend(seen.micros);
            all.dropped += seen.dropped;
            all.mixed += seen.mixed;
            (0..2).for_each(|which| all.answers[which] += seen.answers[which]);
        }
        if let Some(guests) = swapped {
            guest_sets.install("pricing".parse().unwrap(), guests[0]).unwrap();
        }
        all
    })
}

/// Takes a guest set as a job does, and calls it twice: both answers are by one guest, the one that
/// they name. Only calls of the guest that also serves without swaps are timed.
fn call(guest_sets: &GuestSetRegistry, done: &AtomicBool) -> Seen {
    let (job, context, situation) = (job(1), context(), situation());
    let mut seen = Seen::default();
    while !done.load(Ordering::SeqCst) {
        let pinned = guest_sets.current();
        let begun = Instant::now();
        let first = pinned.quote(&job, &context, &situation);
        let micros = begun.elapsed().as_secs_f64() * 1e6;
        let second = pinned.quote(&job, &context, &situation);
        let which = usize::from(first.call.guest.name == "hostile-pricing");
        match &first.value {
            Err(_) => seen.dropped += 1,
            Ok(answer) => {
                let is_its_own =
                    matches!((which, answer), (0, Ok(_)) | (1, Err(Refusal::BidTooLow(_))));
                seen.mixed += u32::from(
                    !is_its_own
                        || first.value != second.value
                        || first.call.guest != second.call.guest,
                );
            }
        }
        seen.answers[which] += 1;
        if which == 0 {
            seen.micros.push(micros);
        }
    }
    seen
}

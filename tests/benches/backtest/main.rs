//! `tests/bench backtest`: the cost of a back-test of recorded decisions. Ratios within one run,
//! medians of interleaved rounds.
//!
//! Takes some minutes and 3 GB of disk, for a journal of a million decisions.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed measurement ends the benchmark"
)]

mod bare;
mod filled;

use filled::Filled;
use pylon_authoring::backtest::{Filter, run};
use pylon_core::UnixTime;
use pylon_journal::ReadOnlyJournal;
use pylon_sandbox::{Config, Installed, Role, Sandbox, Setup, Slot};
use pylon_tests::figures::{Figure, Goal, median, report};
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: usize = 5;
/// Decisions that are repeated: an offer and an amount due for each job.
const SMALL: u64 = 100_000;
const LARGE: u64 = 1_000_000;

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let guest = candidate().await;
    let (small, large) = (Filled::with(SMALL, &guest).await, Filled::with(LARGE, &guest).await);
    let (mut ours, mut bare, mut times_small, mut times_large) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (cpu, time) = again(&small, &guest);
        ours.push(cpu);
        times_small.push(time * (LARGE / SMALL) as f64);
        bare.push(micros_cpu(SMALL, || bare::all(&small, &guest)));
        times_large.push(again(&large, &guest).1);
    }
    // `report` does not return.
    drop((small, large));
    let (ours, bare) = (median(ours), median(bare));
    let (small, large) = (median(times_small), median(times_large));
    let figures = [
        Figure {
            name: "back-test ÷ policy call and row read (µs CPU)",
            ours,
            against: bare,
            goal: Goal::AtMost(3.0),
        },
        Figure {
            name: "1 M decisions ÷ ten times 100 k (s)",
            ours: large,
            against: small,
            goal: Goal::AtMost(1.1),
        },
    ];
    report("backtest", &figures);
}

/// The serving pricing guest as a candidate, so that each call costs the same as before.
async fn candidate() -> Arc<Installed> {
    let config = Config { policy_instances: 4, handler_instances: 1, ..Config::default() };
    let bytes = pylon_slots::component("token_pricing").unwrap();
    Sandbox::open(config)
        .unwrap()
        .load(Slot::policy(Role::Pricing).unwrap(), bytes, Setup::default())
        .await
        .unwrap()
}

/// CPU of each decision in µs, and the time of all in seconds.
fn again(filled: &Filled, guest: &Installed) -> (f64, f64) {
    let filter = Filter { since: UnixTime::new(0), kind: None };
    let begun = Instant::now();
    let cpu = micros_cpu(filled.decisions, || {
        let report = run(
            ReadOnlyJournal::open(&filled.path()).unwrap(),
            guest,
            Role::Pricing,
            filter,
            |_| {},
        )
        .unwrap();
        assert_eq!(
            (report.compared * 2, report.changed, report.known.cases),
            (filled.decisions, 0, report.compared)
        );
    });
    (cpu, begun.elapsed().as_secs_f64())
}

/// CPU time of this process, divided by this number.
fn micros_cpu(times: u64, work: impl FnOnce()) -> f64 {
    let before = cpu_seconds();
    work();
    (cpu_seconds() - before) * 1e6 / times as f64
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // Linux counts in hundredths of a second.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

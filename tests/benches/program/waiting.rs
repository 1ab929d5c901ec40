//! Memory of a node with many waiting requests, against the bytes of their texts: in the run that
//! took them, and after a restart.

use pylon_tests::figures::{Figure, Goal};
use pylon_tests::market::text;
use pylon_tests::process::Running;
use pylon_tests::program::{Program, started};
use pylon_tests::stub::Script;
use rusqlite::Connection;
use std::fs;
use std::time::Duration;

const REQUESTS: usize = 3_000;
const BYTES: usize = 60_000;
const CUSTOMERS: usize = 10;
/// Requests that were sent and are not in the journal yet.
const IN_FLIGHT_MAX: u64 = 64;

pub(crate) async fn measure() -> [Figure; 2] {
    let program = Program::new(Script::Wait).await;
    program.configure(&format!("max_queued_jobs = {}", 2 * REQUESTS));
    let (node, ..) = tokio::task::block_in_place(|| started(program.home(), None));
    let idle = resident_mib(&node);
    let mut customers = Vec::new();
    for _ in 0..CUSTOMERS {
        customers.push(program.customer().await);
    }
    let database = Connection::open(program.state("pylon.db")).unwrap();
    let stored = || -> u64 {
        database.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0)).unwrap()
    };
    for number in 0..REQUESTS {
        let words = format!("{number:08} ").repeat(BYTES / 9);
        customers[number % CUSTOMERS].ask(vec![text(&words)]).await;
        while number as u64 > stored() + IN_FLIGHT_MAX {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    wait(|| stored() >= REQUESTS as u64).await;
    let waiting = resident_mib(&node) - idle;
    drop(node);
    let (node, ..) = tokio::task::block_in_place(|| started(program.home(), None));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let restarted = resident_mib(&node) - idle;
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    let texts = (REQUESTS * BYTES) as f64 / f64::from(1 << 20);
    let figure = |name, ours| Figure { name, ours, against: texts, goal: Goal::AtMost(1.2) };
    [
        figure("waiting requests ÷ their texts (MiB)", waiting),
        figure("the same after a restart (MiB)", restarted),
    ]
}

async fn wait(is_done: impl Fn() -> bool) {
    while !is_done() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Resident memory without the pages of files.
fn resident_mib(node: &Running) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap() / 1024.0
}

//! An idle node on three relays, against a client of the same library with the same subscriptions,
//! at the same time.

use nostr_sdk::{Client, Filter, Keys, Kind};
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::figures::{Figure, Goal, median};
use pylon_tests::process::Running;
use pylon_tests::program::{Program, configure, started};
use pylon_tests::stub::Script;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// Argument with which this program runs itself as the client.
pub(crate) const CLIENT: &str = "idle-client";
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(60);
/// Time for both to connect and subscribe.
const SETTLED: Duration = Duration::from_secs(10);

pub(crate) async fn measure() -> Figure {
    let program = Program::new(Script::Echo).await;
    let mut relays = Vec::new();
    for _ in 0..3 {
        relays.push(InProcessRelay::start().await.unwrap());
    }
    let urls: Vec<String> = relays.iter().map(|relay| relay.url().to_owned()).collect();
    configure(
        program.home(),
        &format!("relays = {urls:?}\ninference.llama_cpp.url = \"{}\"\n", program.stub.url()),
    );
    let (node, ..) = tokio::task::block_in_place(|| started(program.home(), None));
    let client =
        Command::new(std::env::current_exe().unwrap()).arg(CLIENT).args(&urls).spawn().unwrap();
    let client = Running(client);
    tokio::time::sleep(SETTLED).await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = (cpu_ms(node.id()), cpu_ms(client.id()));
        tokio::time::sleep(ROUND).await;
        ours.push(cpu_ms(node.id()) - before.0);
        theirs.push(cpu_ms(client.id()) - before.1);
    }
    let name = "idle node ÷ idle client of the library (CPU ms a minute)";
    Figure { name, ours: median(ours), against: median(theirs), goal: Goal::AtMost(1.5) }
}

/// The client: the same subscriptions, and idle.
pub(crate) async fn client(urls: Vec<String>) {
    let keys = Keys::generate();
    let client = Client::new(keys.clone());
    for url in &urls {
        client.add_relay(url).await.unwrap();
    }
    client.connect().await;
    let kinds = |from: u16, to: u16| Filter::new().kinds((from..=to).map(Kind::from_u16));
    client.subscribe(Filter::new().kinds([5, 5050].map(Kind::from_u16)), None).await.unwrap();
    for from in [5000, 5250, 5500, 5750] {
        client.subscribe(kinds(from, from + 249).pubkey(keys.public_key()), None).await.unwrap();
    }
    std::future::pending::<()>().await;
}

/// CPU time of all threads.
fn cpu_ms(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let nanos = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e6
}

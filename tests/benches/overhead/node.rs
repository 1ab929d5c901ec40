//! The node itself: CPU per free job against the minimum work, and memory after many jobs against
//! memory after few.

use crate::bare::Bare;
use pylon_core::PublicKey;
use pylon_nostr::buyer::{Buyer, ProviderMessage};
use pylon_nostr::identity::{generate, keys};
use pylon_nostr::nip90::RequestTag;
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::figures::{Figure, Goal, median};
use pylon_tests::market::{param, text};
use pylon_tests::process::{Running, command, run};
use pylon_tests::stub::{Script, Stub};
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

const ROUNDS: usize = 7;
const JOBS_A_ROUND: usize = 150;
/// Customers keep this many jobs open, so that the node is never idle.
const OPEN: usize = 4;
const ANSWER: &str = "A short answer of some words, as a small model gives it.";
const PROMPT: &str = "Say something short about the sea, please.";
const JOBS_FEW: usize = 10;
const JOBS_MANY: usize = 1_000;
const TEST_TIMEOUT: Duration = Duration::from_secs(120);

pub(crate) async fn measure() -> Vec<Figure> {
    let relay = InProcessRelay::start().await.unwrap();
    let stub = Stub::start(Script::Reply(ANSWER)).await;
    let folder = tempfile::tempdir().unwrap();
    let (node, provider) = start(folder.path(), relay.url(), &stub.url());
    let mut buyer = Buyer::connect(keys(&generate().unwrap()).unwrap(), &[relay.url().to_owned()])
        .await
        .unwrap();
    let bare = Bare::new(provider, PROMPT, ANSWER).await;

    serve(&mut buyer, provider, JOBS_FEW).await;
    let memory_few = resident_kib(node.id());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut served = JOBS_FEW;
    for _ in 0..ROUNDS {
        let before = cpu_ms(node.id());
        serve(&mut buyer, provider, JOBS_A_ROUND).await;
        ours.push((cpu_ms(node.id()) - before) * 1000.0 / JOBS_A_ROUND as f64);
        served += JOBS_A_ROUND;
        theirs.push(bare.micros_of_cpu().await);
    }
    serve(&mut buyer, provider, JOBS_MANY.saturating_sub(served)).await;
    let memory_many = resident_kib(node.id());
    let (ours, theirs) = (median(ours), median(theirs));
    vec![
        Figure {
            name: "CPU per free job ÷ unavoidable parts (µs)",
            ours,
            against: theirs,
            goal: Goal::AtMost(3.0),
        },
        Figure {
            name: "memory after 1,000 jobs ÷ after 10 (KiB)",
            ours: memory_many,
            against: memory_few,
            goal: Goal::AtMost(1.2),
        },
    ]
}

/// The real program in a new home, once it accepts jobs.
fn start(home: &Path, relay: &str, backend: &str) -> (Running, PublicKey) {
    let made = run(home, &["init"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let hex = said.lines().find_map(|line| line.strip_prefix("hex")).unwrap().trim().to_owned();
    let config = format!("relays = [\"{relay}\"]\n\n[inference.llama_cpp]\nurl = \"{backend}\"\n");
    fs::write(home.join(".config/pylon/config.toml"), config).unwrap();
    let log = fs::File::create(home.join("log")).unwrap();
    let child = command(home, &["start", "-f"]).stderr(log).spawn().unwrap();
    (Running(child), PublicKey::from_hex(&hex).unwrap())
}

/// Buys this number of jobs, a few at a time.
async fn serve(buyer: &mut Buyer, provider: PublicKey, jobs: usize) {
    // Equal requests of one second are one event.
    let tags = || {
        [
            text(PROMPT),
            param("max_tokens", "64"),
            param("n", &generate().unwrap()),
            RequestTag::Provider(provider),
        ]
    };
    let (mut asked, mut done, mut open) = (0, 0, HashSet::new());
    while done < jobs {
        while asked < jobs && open.len() < OPEN {
            open.insert(buyer.request(5050, &tags()).await.unwrap());
            asked += 1;
        }
        let message = tokio::time::timeout(TEST_TIMEOUT, buyer.next()).await.unwrap().unwrap();
        if let ProviderMessage::Result(result) = message
            && open.remove(&result.job)
        {
            done += 1;
        }
    }
}

/// User and system time of a process.
fn cpu_ms(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    // Linux counts in hundredths of a second.
    ticks * 10.0
}

fn resident_kib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

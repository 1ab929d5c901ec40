//! The real program, killed at each step of its journal and started again: each job is answered
//! once.

use pylon_core::{JobId, PublicKey};
use pylon_nostr::buyer::{Buyer, ProviderMessage};
use pylon_nostr::identity::{generate, keys};
use pylon_nostr::nip90::RequestTag;
use pylon_nostr::relay::InProcessRelay;
use pylon_tests::market::{TEST_TIMEOUT, param, text};
use pylon_tests::process::run;
use pylon_tests::program::{configure, started};
use pylon_tests::stub::{Script, Stub};
use std::collections::BTreeMap;

/// A condition for each step of one job in the journal, in order.
const STEPS: [&str; 6] = [
    "SELECT COUNT(*) FROM jobs",
    "SELECT COUNT(*) FROM decisions WHERE function = 'quote'",
    "SELECT COUNT(*) FROM jobs WHERE status = 'processing'",
    "SELECT COUNT(*) FROM decisions WHERE function = 'run'",
    "SELECT COUNT(*) FROM jobs WHERE status = 'completed'",
    "SELECT COUNT(*) FROM jobs WHERE delivery = 'delivered'",
];

/// Goal: a crash at any moment loses no job and doubles no result. Method: for each step of the
/// journal, kill the program as soon as the step is seen there, start it again, and count the
/// results of every job.
#[tokio::test(flavor = "multi_thread")]
async fn kill_at_every_step() {
    let home = tempfile::tempdir().unwrap();
    let (relay, stub) = (InProcessRelay::start().await.unwrap(), Stub::start(Script::Echo).await);
    let made = run(home.path(), &["init"]);
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let hex = said.lines().find_map(|line| line.strip_prefix("hex")).unwrap().trim().to_owned();
    let provider = PublicKey::from_hex(&hex).unwrap();
    configure(
        home.path(),
        &format!(
            "relays = [\"{}\"]\n[inference.llama_cpp]\nurl = \"{}\"\n",
            relay.url(),
            stub.url()
        ),
    );
    let mut buyer = Buyer::connect(keys(&generate().unwrap()).unwrap(), &[relay.url().to_owned()])
        .await
        .unwrap();
    let (mut results, mut number) = (BTreeMap::<JobId, u32>::new(), 0);
    for step in STEPS.iter().cycle().take(2 * STEPS.len()) {
        let (node, log, _) = started(home.path(), None);
        let seen = || {
            let journal =
                rusqlite::Connection::open(home.path().join(".openagents/pylon/pylon.db")).unwrap();
            journal.query_row(step, [], |row| row.get::<_, u32>(0)).unwrap()
        };
        let before = seen();
        for _ in 0..2 {
            number += 1;
            let tags = [
                text(&format!("job {number}")),
                param("n", &number.to_string()),
                RequestTag::Provider(provider),
            ];
            results.insert(buyer.request(5050, &tags).await.unwrap(), 0);
        }
        let found = tokio::time::timeout(TEST_TIMEOUT, async {
            // A step may pass unseen: then the job is completed.
            while seen() <= before && done(home.path()) < number {
                tokio::task::yield_now().await;
            }
        });
        found.await.unwrap_or_else(|_| panic!("never seen: {step}"));
        drop((node, log));
    }
    let _node = started(home.path(), None);
    let all = tokio::time::timeout(TEST_TIMEOUT, async {
        while results.values().any(|count| *count == 0) {
            if let ProviderMessage::Result(result) = buyer.next().await.unwrap() {
                *results.get_mut(&result.job).unwrap() += 1;
            }
        }
    });
    all.await.unwrap_or_else(|_| panic!("jobs without a result: {results:?}"));
    assert!(results.values().all(|count| *count == 1), "{results:?}");
    assert_eq!(done(home.path()), number);
}

fn done(home: &std::path::Path) -> u32 {
    let journal = rusqlite::Connection::open(home.join(".openagents/pylon/pylon.db")).unwrap();
    journal
        .query_row("SELECT COUNT(*) FROM jobs WHERE status = 'completed'", [], |row| row.get(0))
        .unwrap()
}

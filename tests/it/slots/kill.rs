//! Crashes while slots change.

use pylon_core::JobId;
use pylon_nostr::buyer::ProviderMessage;
use pylon_tests::market::{TEST_TIMEOUT, text};
use pylon_tests::process::run;
use pylon_tests::program::{Program, started};
use pylon_tests::stub::Script;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Goal: whenever a node crashes while slots change, each job is answered once, by the guests it
/// was admitted with. Method: jobs and installations, the program killed as soon as a few of both
/// are seen in the journal, repeatedly.
#[tokio::test(flavor = "multi_thread")]
async fn kill_while_slots_change() {
    let program = Program::new(Script::Echo).await;
    let mut customer = program.customer().await;
    let mut results = BTreeMap::<JobId, u32>::new();
    for round in 0..4 {
        let (node, log, _) = started(program.home(), None);
        let (changes, jobs) = (count(&program, "slot_changes"), count(&program, "jobs"));
        let over = AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for number in 0..1000 {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    let setting = format!("base-msat={}", round * 1000 + number);
                    run(
                        program.home(),
                        &[
                            "guest",
                            "install",
                            "token_pricing",
                            "--slot",
                            "pricing",
                            "--settings",
                            &setting,
                        ],
                    );
                }
            });
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    let seen = tokio::time::timeout(TEST_TIMEOUT, async {
                        for number in 0..6 {
                            results.insert(
                                customer.ask(vec![text(&format!("job {round} {number}"))]).await,
                                0,
                            );
                        }
                        while count(&program, "slot_changes") < changes + 5
                            || count(&program, "jobs") < jobs + 5
                        {
                            tokio::task::yield_now().await;
                        }
                    });
                    seen.await.unwrap();
                });
            });
            drop((node, log));
            over.store(true, Ordering::SeqCst);
        });
    }
    let _node = started(program.home(), None);
    let all = tokio::time::timeout(TEST_TIMEOUT, async {
        while results.values().any(|count| *count == 0) {
            if let ProviderMessage::Result(result) = customer.buyer.next().await.unwrap() {
                *results.get_mut(&result.job).unwrap() += 1;
            }
        }
    });
    all.await.unwrap_or_else(|_| panic!("jobs without a result: {results:?}"));
    assert!(results.values().all(|count| *count == 1), "{results:?}");
    assert_eq!(
        count(
            &program,
            "(SELECT job_id FROM decisions GROUP BY job_id HAVING count(DISTINCT revision) > 1)"
        ),
        0
    );
}

fn count(program: &Program, rows: &str) -> u32 {
    let journal = rusqlite::Connection::open(program.state("pylon.db")).unwrap();
    journal.query_row(&format!("SELECT count(*) FROM {rows}"), [], |row| row.get(0)).unwrap()
}

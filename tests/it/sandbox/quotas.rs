//! Quotas of the handler pool: a busy kind or customer does not block others.
//! from others.

use super::host::Recorder;
use super::{KIND, job, load, set};
use pylon_core::guest::Fault;
use pylon_core::{Job, PublicKey};
use pylon_sandbox::{Config, Installed, Sandbox};
use std::sync::Arc;
use tokio::task::JoinHandle;

const LONG_MS: u64 = 60_000;
/// Size of the pool; the quota of a kind is a quarter.
const INSTANCES: u32 = 8;

fn job_of(kind: u16, customer: u8) -> Job {
    Job { kind, customer: PublicKey::from_bytes([customer; 32]), ..job(customer) }
}

/// Holds a permit until the handle is aborted.
async fn hold(guest: &Arc<Installed>, host: &Arc<Recorder>, job: Job) -> JoinHandle<()> {
    let (guest, its_host) = (Arc::clone(guest), Arc::clone(host));
    let held = tokio::spawn(async move { drop(guest.run(&job, LONG_MS, its_host).await) });
    host.waiting.notified().await;
    held
}

async fn check(config: Config, held: [Job; 2], blocked: Job, served: Job) {
    let sandbox = Sandbox::open(Config { handler_instances: INSTANCES, ..config }).unwrap();
    let slot = format!("handler:{KIND}");
    let waiter = load(&sandbox, &slot, "hostile_handler", set("do", &["wait"])).await;
    let good = load(&sandbox, &slot, "hostile_handler", set("do", &["answer"])).await;
    let host = Arc::new(Recorder::default());
    let mut permits = Vec::new();
    for job in held {
        permits.push(hold(&waiter, &host, job).await);
    }
    // Ten more calls that wait for the same quota, to show that waiting calls hold nothing.
    let more = (0..10).map(|_| {
        let (waiter, host, job) = (Arc::clone(&waiter), Arc::clone(&host), blocked.clone());
        tokio::spawn(async move { drop(waiter.run(&job, LONG_MS, host).await) })
    });
    let more: Vec<_> = more.collect();
    assert_eq!(good.run(&blocked, 50, Arc::clone(&host) as Arc<_>).await.value, Err(Fault::Wall));
    assert_eq!(
        good.run(&served, LONG_MS, Arc::clone(&host) as Arc<_>)
            .await
            .value
            .unwrap()
            .unwrap()
            .content,
        "fine"
    );
    more.iter().chain(&permits).for_each(JoinHandle::abort);
    assert!(
        good.run(&blocked, LONG_MS, host).await.value.unwrap().is_ok(),
        "its permits are released"
    );
}

/// Two customers use up the quota of a kind: a third one waits, another kind does not.
#[tokio::test]
async fn a_busy_kind_does_not_block_others() {
    check(
        Config::default(),
        [job_of(KIND, 1), job_of(KIND, 2)],
        job_of(KIND, 3),
        job_of(KIND - 1, 3),
    )
    .await;
}

/// A customer uses up its quota with two kinds: it waits, another customer of the same kind does
/// not.
#[tokio::test]
async fn a_busy_customer_does_not_block_others() {
    let config = Config { handlers_per_kind: Some(INSTANCES), ..Config::default() };
    check(config, [job_of(KIND, 1), job_of(KIND - 1, 1)], job_of(KIND, 1), job_of(KIND, 2)).await;
}

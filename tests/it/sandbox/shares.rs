//! Admission: whoever is busy, a kind or a customer, waits in its own line and keeps no place from others.

use super::host::Recorder;
use super::{KIND, job, load, set};
use pylon_core::guest::Fault;
use pylon_core::{Job, PublicKey};
use pylon_sandbox::{Config, Installed, Sandbox};
use std::sync::Arc;
use tokio::task::JoinHandle;

const LONG_MS: u64 = 60_000;
/// Places in the pool; a quarter of them for a kind.
const PLACES: u32 = 8;

fn asked(kind: u16, customer: u8) -> Job {
    Job { kind, customer: PublicKey::from_bytes([customer; 32]), ..job(customer) }
}

/// Takes a place until the handle is aborted, and is there when this returns.
async fn hold(guest: &Arc<Installed>, host: &Arc<Recorder>, job: Job) -> JoinHandle<()> {
    let (guest, its_host) = (Arc::clone(guest), Arc::clone(host));
    let held = tokio::spawn(async move { drop(guest.run(&job, LONG_MS, its_host).await) });
    host.waiting.notified().await;
    held
}

async fn tried(config: Config, held: [Job; 2], refused: Job, served: Job) {
    let sandbox = Sandbox::open(Config { handler_instances: PLACES, ..config }).unwrap();
    let slot = format!("handler:{KIND}");
    let waiter = load(&sandbox, &slot, "hostile_handler", set("do", &["wait"])).await;
    let good = load(&sandbox, &slot, "hostile_handler", set("do", &["answer"])).await;
    let host = Arc::new(Recorder::default());
    let mut places = Vec::new();
    for job in held {
        places.push(hold(&waiter, &host, job).await);
    }
    // Ten more in the same line, to show that a line holds nothing that others need.
    let more = (0..10).map(|_| {
        let (waiter, host, job) = (Arc::clone(&waiter), Arc::clone(&host), refused.clone());
        tokio::spawn(async move { drop(waiter.run(&job, LONG_MS, host).await) })
    });
    let more: Vec<_> = more.collect();
    assert_eq!(good.run(&refused, 50, Arc::clone(&host) as Arc<_>).await.value, Err(Fault::Wall));
    assert_eq!(
        good.run(&served, LONG_MS, Arc::clone(&host) as Arc<_>)
            .await
            .value
            .unwrap()
            .unwrap()
            .content,
        "fine"
    );
    more.iter().chain(&places).for_each(JoinHandle::abort);
    assert!(
        good.run(&refused, LONG_MS, host).await.value.unwrap().is_ok(),
        "its places are free again"
    );
}

/// Two customers fill a kind's quarter: a third waits, the other kind does not.
#[tokio::test]
async fn a_busy_kind_starves_no_other() {
    tried(Config::default(), [asked(KIND, 1), asked(KIND, 2)], asked(KIND, 3), asked(KIND - 1, 3))
        .await;
}

/// One customer fills its quarter of two kinds: it waits, another customer of the same kind does not.
#[tokio::test]
async fn a_busy_customer_starves_no_other() {
    let config = Config { handlers_per_kind: Some(PLACES), ..Config::default() };
    tried(config, [asked(KIND, 1), asked(KIND - 1, 1)], asked(KIND, 1), asked(KIND, 2)).await;
}

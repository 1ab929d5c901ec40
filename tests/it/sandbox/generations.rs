//! Generations: a swap is for those who come after; who came before keeps what it has.

use super::{KIND, context, granted, job, load, sandbox, set, situation};
use pylon_core::guest::Fault;
use pylon_core::ports::guests::GuestSets;
use pylon_sandbox::{Generations, InstallError, Sandbox, Slot};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

async fn generations(sandbox: &Sandbox) -> Generations {
    let routing = load(sandbox, "routing", "preferred_routing", granted()).await;
    let pricing = load(sandbox, "pricing", "hostile_pricing", granted()).await;
    let verification = load(sandbox, "verification", "basic_verification", granted()).await;
    Generations::new(routing, pricing, verification).unwrap()
}

fn slot(text: &str) -> Slot {
    text.parse().unwrap()
}

/// Swap, look from both sides, roll back.
#[tokio::test]
async fn a_job_keeps_its_generation() {
    let sandbox = sandbox();
    let guests = generations(&sandbox).await;
    let before = guests.current();
    let trap = load(&sandbox, "pricing", "hostile_pricing", set("do", &["trap"])).await;
    let first = guests.install(slot("pricing"), &trap).unwrap().unwrap();
    assert!(before.quote(&job(1), &context(), &situation()).value.is_ok());
    assert_eq!(guests.current().quote(&job(1), &context(), &situation()).value, Err(Fault::Trap));
    guests.install(slot("pricing"), &first).unwrap();
    assert!(guests.current().quote(&job(1), &context(), &situation()).value.is_ok());
}

/// A policy of the kind wins over the one for all, for that kind alone.
#[tokio::test]
async fn a_kind_has_its_own() {
    let sandbox = sandbox();
    let guests = generations(&sandbox).await;
    let trap = load(&sandbox, "pricing:5999", "hostile_pricing", set("do", &["trap"])).await;
    assert!(guests.install(slot("pricing:5999"), &trap).unwrap().is_none());
    let mut other_kind = job(1);
    other_kind.kind = 5050;
    let now = guests.current();
    assert_eq!(now.quote(&job(1), &context(), &situation()).value, Err(Fault::Trap));
    assert!(now.quote(&other_kind, &context(), &situation()).value.is_ok());
    assert!(guests.remove(slot("pricing:5999")).is_some());
    assert!(guests.current().quote(&job(1), &context(), &situation()).value.is_ok());
}

/// Handlers by kind, with the params they declare public.
#[tokio::test]
async fn handlers_are_known_by_kind() {
    let sandbox = sandbox();
    let guests = generations(&sandbox).await;
    let probe = load(&sandbox, "handler:5999", "probe", granted()).await;
    assert!(!guests.current().serves(KIND));
    guests.install(slot("handler:5999"), &probe).unwrap();
    let now = guests.current();
    assert!(now.serves(KIND) && !now.serves(5050));
    assert_eq!(now.public_params(KIND), ["model"]);
    assert_eq!(now.public_params(5050), [""; 0]);
    for wrong in ["pricing", "handler:5050"] {
        assert_eq!(
            guests.install(slot(wrong), &probe).err(),
            Some(InstallError::Slot(slot(wrong)))
        );
    }
    let names: Vec<_> = guests.list().iter().map(|(slot, _)| slot.to_string()).collect();
    assert_eq!(names, ["routing", "pricing", "verification", "handler:5999"]);
}

/// Callers on two threads while the policy is swapped all the time: every call gets an answer of one of the two.
#[tokio::test]
async fn no_call_is_lost_in_a_swap() {
    let sandbox = sandbox();
    let guests = Arc::new(generations(&sandbox).await);
    let refuse = load(&sandbox, "pricing", "hostile_pricing", set("do", &["refuse"])).await;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut offers, mut refusals) = (0_u32, 0_u32);
                    while !done.load(Ordering::SeqCst) || offers == 0 || refusals == 0 {
                        match guests
                            .current()
                            .quote(&job(1), &context(), &situation())
                            .value
                            .unwrap()
                        {
                            Ok(_) => offers += 1,
                            Err(_) => refusals += 1,
                        }
                    }
                })
            })
            .collect();
        let mut next = Arc::clone(&refuse);
        for _ in 0..1000 {
            next = guests.install(slot("pricing"), &next).unwrap().unwrap();
        }
        done.store(true, Ordering::SeqCst);
        // Until each caller has seen both.
        while callers.iter().any(|caller| !caller.is_finished()) {
            next = guests.install(slot("pricing"), &next).unwrap().unwrap();
        }
    });
}

//! Guest sets: a swap applies to later jobs; earlier jobs keep their set.

use super::{KIND, context, granted, job, load, sandbox, set, situation};
use pylon_core::guest::Fault;
use pylon_core::ports::guests::GuestSets;
use pylon_sandbox::{GuestSetRegistry, InstallError, Sandbox, Slot};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

async fn guest_sets(sandbox: &Sandbox) -> GuestSetRegistry {
    let routing = load(sandbox, "routing", "preferred_routing", granted()).await;
    let pricing = load(sandbox, "pricing", "hostile_pricing", granted()).await;
    let verification = load(sandbox, "verification", "basic_verification", granted()).await;
    GuestSetRegistry::new(routing, pricing, verification).unwrap()
}

fn slot(text: &str) -> Slot {
    text.parse().unwrap()
}

/// A swap and a rollback, seen by a job from before and by a new one. The set of a job can be found
/// by its revision while the job holds it.
#[tokio::test]
async fn a_job_keeps_its_guest_set() {
    let sandbox = sandbox();
    let guests = guest_sets(&sandbox).await;
    let before = guests.current();
    let trap = load(&sandbox, "pricing", "hostile_pricing", set("do", &["trap"])).await;
    let first = guests.install(slot("pricing"), &trap).unwrap().unwrap();
    assert!(before.quote(&job(1), &context(), &situation()).value.is_ok());
    assert_eq!(guests.current().quote(&job(1), &context(), &situation()).value, Err(Fault::Trap));
    guests.install(slot("pricing"), &first).unwrap();
    assert!(guests.current().quote(&job(1), &context(), &situation()).value.is_ok());
    let revision = before.revision();
    assert_eq!(guests.at(revision, KIND).map(|set| set.revision()), Some(revision));
    drop(before);
    assert!(guests.at(revision, KIND).is_none());
}

/// A policy for one kind takes precedence for that kind only.
#[tokio::test]
async fn a_policy_for_a_kind_takes_precedence() {
    let sandbox = sandbox();
    let guests = guest_sets(&sandbox).await;
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

/// Handlers are found by kind, with their public parameters.
#[tokio::test]
async fn handlers_are_found_by_kind() {
    let sandbox = sandbox();
    let guests = guest_sets(&sandbox).await;
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

/// Two threads call the policy while it is swapped all the time: each call gets an answer of one of
/// the two policies.
#[tokio::test]
async fn no_call_is_lost_in_a_swap() {
    let sandbox = sandbox();
    let guests = Arc::new(guest_sets(&sandbox).await);
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
        // Until each caller has seen both policies.
        while callers.iter().any(|caller| !caller.is_finished()) {
            next = guests.install(slot("pricing"), &next).unwrap().unwrap();
        }
    });
}

//! Policies: each limit has its own fault, and equal calls have equal answers and fuel.

use super::{context, granted, job, load, param, route, sandbox, set, situation, within};
use crate::component;
use pylon_core::Msat;
use pylon_core::decision::{Candidate, Refusal};
use pylon_core::guest::{Cost, Fault};
use pylon_sandbox::{InstallError, Limits};

/// A guest that exceeds one limit, called once for each.
#[tokio::test]
async fn each_limit_has_its_fault() {
    let sandbox = sandbox();
    let limits = Limits { hostcall_bytes: 64 << 10, ..Limits::POLICY };
    for (what, fault) in [
        ("fuel", Fault::Fuel),
        ("memory", Fault::Memory),
        ("stack", Fault::Stack),
        ("traffic", Fault::HostCallBytes),
        ("trap", Fault::Trap),
        ("panic", Fault::Trap),
        ("terms", Fault::InvalidOutput),
        ("cap", Fault::InvalidOutput),
        ("supply", Fault::InvalidOutput),
    ] {
        let guest =
            load(&sandbox, "pricing", "hostile_pricing", within(set("do", &[what]), limits)).await;
        let answer = guest.quote(&job(1), &context(), &situation());
        assert_eq!(answer.value, Err(fault), "{what}");
        assert!(
            matches!(answer.call.cost, Cost::Fuel(1..=11_000_000)),
            "{what}: {:?}",
            answer.call.cost
        );
    }
}

/// After each kind of fault the next call succeeds.
#[tokio::test]
async fn a_fault_does_not_affect_other_guests() {
    let sandbox = sandbox();
    let good = load(&sandbox, "pricing", "hostile_pricing", granted()).await;
    for what in ["fuel", "memory", "stack", "trap"] {
        let bad = load(&sandbox, "pricing", "hostile_pricing", set("do", &[what])).await;
        for _ in 0..200 {
            assert!(bad.quote(&job(1), &context(), &situation()).value.is_err());
        }
        assert!(
            good.quote(&job(1), &context(), &situation()).value.unwrap().is_ok(),
            "after {what}"
        );
    }
}

/// Equal calls have equal answers and fuel: in two sandboxes, and on several threads.
#[tokio::test]
async fn equal_calls_use_equal_fuel() {
    let (one, other) = (sandbox(), sandbox());
    let guests = [
        load(&one, "pricing", "token_pricing", granted()).await,
        load(&other, "pricing", "token_pricing", granted()).await,
    ];
    let first = guests[0].quote(&job(1), &context(), &situation());
    assert!(first.value.as_ref().unwrap().is_ok(), "{first:?}");
    std::thread::scope(|scope| {
        for guest in &guests {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let again = guest.quote(&job(1), &context(), &situation());
                        assert_eq!(
                            (&again.value, again.call.cost),
                            (&first.value, first.call.cost)
                        );
                    }
                });
            }
        }
    });
    assert_eq!(guests[0].engine(), guests[1].engine());
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let guest = load(&sandbox(), "pricing", "hostile_pricing", set("do", &["refuse"])).await;
    let answer = guest.quote(&job(1), &context(), &situation());
    assert_eq!(answer.value, Ok(Err(Refusal::BidTooLow(Msat::new(1_000_000)))));
    assert_eq!(answer.call.guest.name, "hostile-pricing");
    assert_eq!(answer.call.guest.slot, "pricing");
}

/// Goal: pricing is told the number of paid jobs, which its record has no field for. Method: a
/// policy that repeats it, with and without the number.
#[tokio::test]
async fn pricing_is_told_the_paid_jobs() {
    let guest = load(&sandbox(), "pricing", "hostile_pricing", set("do", &["paid"])).await;
    for (jobs_paid, note) in [(None, "unknown"), (Some(0), "0"), (Some(12), "12")] {
        let mut context = context();
        context.customer.jobs_paid = jobs_paid;
        let offer = guest.quote(&job(1), &context, &situation()).value.unwrap().unwrap();
        assert_eq!(offer.note, note);
    }
}

/// An order with an index out of range, with an index twice, or without any is invalid.
#[tokio::test]
async fn a_ranking_is_checked() {
    let sandbox = sandbox();
    let candidate = Candidate {
        route: route(),
        context_tokens: None,
        in_flight: 0,
        limit: 1,
        queued: 0,
        first_output_ms: None,
        tokens_per_second: None,
        failure_permille: 0,
        preferred: false,
    };
    for (order, is_invalid) in [
        (&["1", "0"][..], false),
        (&["1"], false),
        (&["2"], true),
        (&["0", "0"], true),
        (&["none"], true),
    ] {
        let guest = load(&sandbox, "routing", "hostile_routing", set("order", order)).await;
        let answer = guest.rank(&job(1), &[candidate.clone(), candidate.clone()], &situation());
        assert_eq!(answer.value.err(), is_invalid.then_some(Fault::InvalidOutput), "{order:?}");
    }
    let long = load(&sandbox, "routing", "hostile_routing", set("order", &["endless-list"])).await;
    assert_eq!(
        long.rank(&job(1), &[candidate], &situation()).value,
        Err(Fault::HostCallBytes),
        "a list that is larger than a call can return"
    );
}

/// `describe` has the limits of the guest, and of the node for handlers.
#[tokio::test]
async fn describe_is_limited() {
    let sandbox = sandbox();
    let slot = "pricing".parse().unwrap();
    for (name, limits, fault) in [
        ("hostile_pricing", Limits { table_elements: 0, ..Limits::POLICY }, Fault::Memory),
        ("hostile_pricing", Limits { memory_bytes: 1, ..Limits::POLICY }, Fault::Memory),
        ("endless_describe", Limits::POLICY, Fault::Fuel),
        ("trapping_describe", Limits::POLICY, Fault::Trap),
    ] {
        let refused = sandbox.load(slot, component(name), within(granted(), limits)).await.err();
        assert_eq!(refused, Some(InstallError::Describe(fault)), "{name}");
    }
    let handler = sandbox
        .load("handler:5999".parse().unwrap(), component("busy_describe"), granted())
        .await
        .err();
    assert_eq!(handler, Some(InstallError::Describe(Fault::Cpu)));
}

/// Defaults are filled in; unknown settings, and settings without a value, are refused.
#[tokio::test]
async fn settings_are_those_of_the_guest() {
    let sandbox = sandbox();
    let guest = load(&sandbox, "pricing", "hostile_pricing", granted()).await;
    assert_eq!(guest.settings(), [param("do", &["answer"]), param("tried", &["answer"])]);
    for (setup, name) in [(set("undo", &["x"]), "undo"), (set("do", &[]), "do")] {
        let refused = sandbox
            .load("pricing".parse().unwrap(), component("hostile_pricing"), setup)
            .await
            .err();
        assert_eq!(
            refused,
            Some(InstallError::UnknownSetting(name.into(), "expected one of `do`, `tried`".into()))
        );
    }
}

//! Fuel depends on the call, not on the load of the machine.

use crate::questions::{context, job, load, sandbox, situation};
use pylon_core::guest::Cost;
use pylon_tests::figures::{Figure, Goal};
use std::collections::BTreeSet;

const CALLS: usize = 1000;

/// Two engines, with a thread each.
pub(crate) async fn measure() -> Vec<Figure> {
    let (one, other) = (sandbox(), sandbox());
    let guests = [
        load(&one, "pricing", "token_pricing", None, None).await,
        load(&other, "pricing", "token_pricing", None, None).await,
    ];
    let values: BTreeSet<u64> = std::thread::scope(|scope| {
        let callers: Vec<_> = guests
            .iter()
            .map(|guest| {
                scope.spawn(|| {
                    let (job, context, situation) = (job(1), context(), situation());
                    let fuel = |_| match guest.quote(&job, &context, &situation).call.cost {
                        Cost::Fuel(fuel) => fuel,
                        Cost::CpuUs(_) => panic!("a policy is counted in fuel"),
                    };
                    (0..CALLS / 2).map(fuel).collect::<BTreeSet<_>>()
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    vec![Figure {
        name: "distinct fuel values in 1,000 equal calls (values)",
        ours: values.len() as f64,
        against: 1.0,
        goal: Goal::AtMost(1.0),
    }]
}

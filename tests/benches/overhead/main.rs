//! `tests/bench overhead`: what the node adds to the work it cannot avoid. Ratios within one run, medians of interleaved rounds.
//!
//! The node is the real program in a process of its own; relay, customer and stub backend are in this one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on has nothing to say"
)]

mod bare;
mod bindings;
mod node;
mod policy;

use serde_json::json;

/// One figure that was asked for.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) ours: f64,
    pub(crate) against: f64,
    /// At most, or at least.
    pub(crate) goal: Goal,
}

#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut figures = policy::measure().await;
    figures.extend(node::measure().await);
    let mut all_hold = true;
    let rows: Vec<_> = figures
        .iter()
        .map(|figure| {
            let ratio = figure.ours / figure.against;
            let (goal, holds, sign) = match figure.goal {
                Goal::AtMost(goal) => (goal, ratio <= goal, '≤'),
                Goal::AtLeast(goal) => (goal, ratio >= goal, '≥'),
            };
            all_hold &= holds;
            println!("{:<44} {:>10.2} {:>10.2}  ratio {ratio:>7.2}  goal {sign} {goal}", figure.name, figure.ours, figure.against);
            json!({"name": figure.name, "ours": figure.ours, "against": figure.against, "ratio": ratio, "goal": goal, "holds": holds})
        })
        .collect();
    println!("{}", json!({"bench": "overhead", "figures": rows}));
    std::process::exit(i32::from(!all_hold));
}

/// The middle of what was measured.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

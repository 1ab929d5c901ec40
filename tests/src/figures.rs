//! Report of a benchmark: ratios within one run, and whether they meet their goals.

use serde_json::json;

/// One ratio.
pub struct Figure {
    /// The quantity that is compared, and its unit.
    pub name: &'static str,
    /// Measured on the node.
    pub ours: f64,
    /// Measured on the baseline.
    pub against: f64,
    /// Bound of the ratio.
    pub goal: Goal,
}

/// A bound on a ratio.
#[derive(Clone, Copy)]
#[allow(missing_docs, reason = "as they are named")]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// Prints the figures, the last line as JSON, and exits: 0 if all hold.
pub fn report(bench: &str, figures: &[Figure]) -> ! {
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
            println!("{:<52} {:>10.2} {:>10.2}  ratio {ratio:>7.2}  goal {sign} {goal}", figure.name, figure.ours, figure.against);
            json!({"name": figure.name, "ours": figure.ours, "against": figure.against, "ratio": ratio, "goal": goal, "holds": holds})
        })
        .collect();
    println!("{}", json!({"bench": bench, "figures": rows}));
    std::process::exit(i32::from(!all_hold))
}

/// The median of the measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

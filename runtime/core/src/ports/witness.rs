//! Who hears of every decision of a guest.

use crate::Job;
use crate::machine::Plan;
use crate::ports::journal::DecisionRow;
use crate::work::Output;
use std::sync::Arc;

/// What a decision was about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// As policies see it.
    pub job: &'a Arc<Job>,
    /// As it was taken; absent for what was refused.
    pub plan: Option<&'a Arc<Plan>>,
    /// Of the last attempt.
    pub output: Option<&'a Output>,
}

/// Hears of every decision once it is written. It makes nobody wait and cannot fail.
pub trait Witness: Send + Sync {
    /// This was decided.
    fn decided(&self, decision: &DecisionRow, about: About<'_>);
}

/// Nobody.
impl Witness for () {
    fn decided(&self, _: &DecisionRow, _: About<'_>) {}
}

//! Results that wait for the operator's review, and jobs whose guests were replaced.

use super::actions::{Effect, Step};
use super::columns::{Delivery, Execution};
use super::ending::fail;
use super::failure::Failure;
use super::money;
use super::state::JobState;
use crate::UnixTime;
use crate::job::JobError;

/// Verification gave no answer: the result is neither sent nor discarded.
pub(super) fn verdict_missing(state: &mut JobState) {
    state.delivery = Delivery::InReview;
}

/// The operator accepts the result: the job continues as if verification had accepted it.
pub(super) fn accepted(state: &mut JobState, out: &mut Step, now: UnixTime) {
    if state.is_in_review() {
        state.delivery = Delivery::None;
        money::accepted(state, out, now);
    }
}

/// The operator rejects the result.
pub(super) fn rejected(state: &mut JobState, out: &mut Step, now: UnixTime) {
    if state.is_in_review() {
        fail(state, out, Failure::Rejected("by the operator".into()), now);
    }
}

/// The job's guests may no longer be used. A job that needs none continues, and so does one in
/// review.
pub(super) fn drained(state: &mut JobState, out: &mut Step, now: UnixTime) {
    let is_running = state.execution == Execution::Processing && state.output.is_none();
    if is_running || state.execution == Execution::Received {
        out.effects.push(Effect::Abort);
    } else if state.execution != Execution::AwaitingPayment {
        return;
    }
    replaced(state, out, now);
}

/// Other guests do not continue what the job's own guests have begun.
pub(super) fn replaced(state: &mut JobState, out: &mut Step, now: UnixTime) {
    let why = "the handler for this job was replaced; please resubmit";
    fail(state, out, Failure::Job(JobError::Failed(why.into())), now);
}

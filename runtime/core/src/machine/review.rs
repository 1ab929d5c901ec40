//! The transitions of what guests leave to others: a result that verification could not judge waits for the operator, and a job whose guests are
//! to go ends.

use super::transition::fail;
use super::{Action, Delivery, Execution, Failure, JobState, money};
use crate::UnixTime;
use crate::ports::guests::JobError;

/// Verification gave no answer: the result is neither sent nor thrown away.
pub(super) fn unjudged(state: &mut JobState) {
    state.delivery = Delivery::InReview;
}

/// The operator sends it: from here it goes as if it had been accepted.
pub(super) fn released(state: &mut JobState, todo: &mut Vec<Action>, now: UnixTime) {
    if state.is_in_review() {
        state.delivery = Delivery::None;
        money::accepted(state, todo, now);
    }
}

/// The operator does not send it.
pub(super) fn rejected(state: &mut JobState, todo: &mut Vec<Action>, now: UnixTime) {
    if state.is_in_review() {
        fail(state, todo, Failure::Rejected("by the operator".into()), now);
    }
}

/// The time that its guests had left is over. What needs no guest any more goes on, and so does what the operator has to look at.
pub(super) fn drained(state: &mut JobState, todo: &mut Vec<Action>, now: UnixTime) {
    let at_work = state.execution == Execution::Processing && state.output.is_none();
    if at_work || state.execution == Execution::Received {
        todo.push(Action::Stop);
    } else if state.execution != Execution::AwaitingPayment {
        return;
    }
    replaced(state, todo, now);
}

/// Nobody else does what its guests have begun.
pub(super) fn replaced(state: &mut JobState, todo: &mut Vec<Action>, now: UnixTime) {
    let why = "the node has replaced what does this job, ask again";
    fail(state, todo, Failure::Job(JobError::Failed(why.into())), now);
}

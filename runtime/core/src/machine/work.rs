//! The transitions of the work: queued, begun, run, judged.

use super::actions::{CommitAction, Effect, Step};
use super::columns::Execution;
use super::ending::fail;
use super::failure::Failure;
use super::state::JobState;
use crate::UnixTime;
use crate::event::DomainEvent;
use crate::job::JobError;
use crate::message::JobStatus;
use crate::work::{Evidence, Output};

/// Nothing has to be paid first, or it is paid: the work can begin.
pub(super) fn start_work(state: &mut JobState, out: &mut Step) {
    state.execution = Execution::Received;
    out.send_feedback(JobStatus::Processing);
    enqueue(state, out);
}

/// A job joins the queue only with all of its inputs, so that it never holds a worker while it
/// waits for them. Nothing is fetched before the commit.
pub(super) fn enqueue(state: &JobState, out: &mut Step) {
    if state.job.is_complete() {
        out.commit.push(CommitAction::Enqueue);
    } else {
        out.effects.push(Effect::FetchInputs);
    }
}

/// A worker is free.
pub(super) fn scheduled(state: &mut JobState, out: &mut Step, now: UnixTime) {
    if state.execution != Execution::Received {
        return;
    }
    // An expired request is not started and not charged.
    if state.job.expires_at.is_some_and(|at| at <= now) {
        fail(state, out, Failure::Job(JobError::Invalid("expired".into())), now);
    } else {
        begin_attempt(state, out, now);
    }
}

/// Begins the next attempt with the route of the state.
pub(super) fn begin_attempt(state: &mut JobState, out: &mut Step, now: UnixTime) {
    state.execution = Execution::Processing;
    state.attempt += 1;
    state.output = None;
    state.evidence = None;
    state.started_at = Some(now);
    let route = state.plan.routes.get(state.route);
    let model = route.map_or("", |route| route.target.model()).to_owned();
    out.emit(DomainEvent::JobStarted { job_id: state.job.id, model, timestamp: now });
    out.effects.push(Effect::Run { attempt: state.attempt, route: state.route });
}

/// The current attempt ended.
pub(super) fn attempt_finished(
    state: &mut JobState,
    out: &mut Step,
    partial_sent: bool,
    outcome: Result<(Output, Evidence), JobError>,
    now: UnixTime,
) {
    if state.output.is_some() {
        return;
    }
    match outcome {
        Ok((output, evidence)) => {
            // Once text of one route was published, no other route may answer: the index is then
            // past the last route.
            let used = state.plan.routes.iter().position(|route| *route == evidence.route);
            state.route = match used {
                Some(index) if !partial_sent => index,
                _ => state.plan.routes.len(),
            };
            state.output = Some(output);
            state.evidence = Some(evidence);
            out.commit.push(CommitAction::Judge { attempt: state.attempt });
        }
        Err(error) => fail(state, out, Failure::Job(error), now),
    }
}

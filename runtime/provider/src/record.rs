//! What is written beside a job's own row: the decisions of guests, and the messages that go out.

use super::{Shared, Step};
use pylon_core::decision::Situation;
use pylon_core::decision_summary::Summarize;
use pylon_core::guest::{Fault, GuestAnswer, GuestFunction, GuestRef};
use pylon_core::message::{JobStatus, Message, ReplyTo};
use pylon_core::rows::{DecisionRow, OutboxRow, Row};
use pylon_core::{Job, JobId};
use serde::Serialize;
use std::sync::Arc;

/// Feedback is of no use after this.
const FEEDBACK_LIVES_SECONDS: u64 = 3600;
/// A result is offered to the market for this long.
const RESULT_LIVES_SECONDS: u64 = 7 * 24 * 3600;

/// What a policy is told of the node.
pub(super) fn situation(shared: &Shared) -> Situation {
    let (queued, running) = shared.line.lengths();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Situation {
        now: shared.clock.now(),
        queued: count(queued),
        running: count(running),
        capacity: count(shared.line.capacity()),
        extra: Vec::new(),
    }
}

/// The row of a decision, seen by observers too. Of a confidential job, texts are in it by their digest.
pub(super) fn decision<T: Serialize + Summarize>(
    shared: &Shared,
    job: &Job,
    revision: u64,
    function: GuestFunction,
    attempt: u32,
    question: &impl Serialize,
    answer: &GuestAnswer<T>,
) -> Row {
    let digest = |text: &str| shared.journal.digest(job.id, text);
    let by_digest =
        answer.value.as_ref().ok().filter(|_| job.confidential).map(|said| said.redact(&digest));
    let said = by_digest.as_ref().map_or(answer.value.as_ref(), Ok);
    let output: Result<String, Fault> = said.map(json).map_err(|fault| *fault);
    if let Err(fault) = output {
        tracing::warn!(job = %job.id.short(), guest = answer.call.guest.name, %function, %fault, "a guest gave no answer");
    }
    shared.bus.step(job.id, || Step::Guest {
        function,
        call: answer.call.clone(),
        said: said.map_or_else(Fault::to_string, Summarize::summary),
    });
    Row::Decision(Box::new(DecisionRow {
        job: job.id,
        guest: GuestRef::clone(&answer.call.guest),
        revision,
        engine: Arc::clone(&answer.call.engine),
        function,
        attempt,
        input: json(question),
        output,
        cost: answer.call.cost,
        wall_us: answer.call.wall_us,
        at: shared.clock.now(),
    }))
}

/// The words of the core always are JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn feedback(shared: &Shared, to: ReplyTo<'_>, status: JobStatus) -> Option<Row> {
    seal(shared, to.job, &Message::Feedback { to, status }, false, FEEDBACK_LIVES_SECONDS)
}

pub(super) fn result(shared: &Shared, job: JobId, message: &Message<'_>) -> Option<Row> {
    seal(shared, job, message, true, RESULT_LIVES_SECONDS)
}

fn seal(
    shared: &Shared,
    job: JobId,
    message: &Message<'_>,
    result: bool,
    lives_seconds: u64,
) -> Option<Row> {
    let now = shared.clock.now();
    match shared.market.sign(message, now) {
        Ok(sealed) => Some(Row::Send(OutboxRow {
            job,
            result,
            message: sealed,
            expires_at: now.plus(lives_seconds),
        })),
        Err(error) => {
            tracing::error!(job = %job.short(), %error, "a message cannot be sent");
            None
        }
    }
}

/// What a commit puts into the outbox.
pub(super) fn letters(rows: &[Row]) -> Vec<OutboxRow> {
    rows.iter()
        .filter_map(|row| if let Row::Send(letter) = row { Some(letter.clone()) } else { None })
        .collect()
}

//! What is written beside a job's own row: the decisions of guests, and the messages that go out.

use super::{Shared, Step};
use pylon_core::decision::{Offer, Ranking, Refusal, Situation, Terms, Verdict};
use pylon_core::ports::guests::{Answer, Fault, JobError};
use pylon_core::ports::journal::{DecisionRow, OutboxRow, Row};
use pylon_core::ports::market::{Address, GuestStamp, Message, Status};
use pylon_core::work::Output;
use pylon_core::{Job, JobId, Msat};
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
pub(super) fn decision<T: Serialize + Words>(
    shared: &Shared,
    job: &Job,
    generation: u64,
    function: &'static str,
    attempt: u32,
    question: &impl Serialize,
    answer: &Answer<T>,
) -> Row {
    let digest = |text: &str| shared.journal.digest(job.id, text);
    let by_digest = answer.value.as_ref().ok().filter(|_| job.confidential).map(|said| said.map_text(&digest));
    let said = by_digest.as_ref().map_or(answer.value.as_ref(), Ok);
    let output: Result<String, Fault> = said.map(json).map_err(|fault| *fault);
    if let Err(fault) = output {
        tracing::warn!(job = %job.id.short(), guest = answer.call.guest.name, function, %fault, "a guest gave no answer");
    }
    shared.bus.step(job.id, || Step::Guest {
        function,
        call: answer.call.clone(),
        said: said.map_or_else(Fault::to_string, Words::words),
    });
    Row::Decision(Box::new(DecisionRow {
        job: job.id,
        guest: GuestStamp::clone(&answer.call.guest),
        generation,
        engine: Arc::clone(&answer.call.engine),
        function,
        attempt,
        input: json(question),
        output,
        cost: answer.call.cost,
        micros: answer.call.micros,
        at: shared.clock.now(),
    }))
}

/// The words of the core always are JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn feedback(shared: &Shared, to: Address<'_>, status: Status) -> Option<Row> {
    seal(shared, to.job, &Message::Feedback { to, status }, false, FEEDBACK_LIVES_SECONDS)
}

pub(super) fn result(shared: &Shared, job: JobId, message: &Message<'_>) -> Option<Row> {
    seal(shared, job, message, true, RESULT_LIVES_SECONDS)
}

fn seal(shared: &Shared, job: JobId, message: &Message<'_>, result: bool, lives_seconds: u64) -> Option<Row> {
    let now = shared.clock.now();
    match shared.market.seal(message, now) {
        Ok(sealed) => Some(Row::Send(OutboxRow { job, result, sealed, expires_at: now.plus(lives_seconds) })),
        Err(error) => {
            tracing::error!(job = %job.short(), %error, "a message cannot be sent");
            None
        }
    }
}

/// What a commit puts into the outbox.
pub(super) fn letters(rows: &[Row]) -> Vec<OutboxRow> {
    rows.iter().filter_map(|row| if let Row::Send(letter) = row { Some(letter.clone()) } else { None }).collect()
}

/// An answer in a few words, for those who watch, and with every text that a guest wrote put through `change`, for what is kept.
pub(super) trait Words: Sized {
    fn words(&self) -> String;
    fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self;
}

impl Words for Result<Ranking, Refusal> {
    fn words(&self) -> String {
        self.as_ref().map_or_else(Refusal::words, |ranking| format!("{} to try", ranking.order.len()))
    }

    fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self {
        let ranking = |ranking: &Ranking| Ranking { order: ranking.order.clone(), note: change(&ranking.note) };
        self.as_ref().map(ranking).map_err(|refusal| refusal.map_text(change))
    }
}

impl Words for Result<Offer, Refusal> {
    fn words(&self) -> String {
        self.as_ref().map_or_else(Refusal::words, |offer| match offer.terms {
            Terms::Free => "free".into(),
            Terms::OnDelivery => format!("about {} on delivery", offer.price),
            Terms::BeforeWork => format!("{} before work", offer.price),
            Terms::Hold => format!("{} held until success", offer.price),
        })
    }

    fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self {
        let offer = |offer: &Offer| Offer { note: change(&offer.note), ..offer.clone() };
        self.as_ref().map(offer).map_err(|refusal| refusal.map_text(change))
    }
}

impl Words for Msat {
    fn words(&self) -> String {
        format!("{self} due")
    }

    fn map_text(&self, _: &dyn Fn(&str) -> String) -> Self {
        *self
    }
}

impl Words for Verdict {
    fn words(&self) -> String {
        match self {
            Self::Accept => "accepted".into(),
            Self::Reject(why) => format!("rejected: {why}"),
            Self::Retry(why) => format!("try again: {why}"),
        }
    }

    fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self {
        Self::map_text(self, change)
    }
}

impl Words for Result<Output, JobError> {
    fn words(&self) -> String {
        match self {
            Ok(output) => format!("{} bytes of {}", output.content.len(), output.mime),
            Err(JobError::Invalid(why) | JobError::Failed(why)) => why.clone(),
            Err(JobError::NoBackend) => "no backend".into(),
            Err(JobError::Timeout) => "timeout".into(),
        }
    }

    fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self {
        self.as_ref().map(|output| output.map_text(change)).map_err(|error| error.map_text(change))
    }
}

//! Records what happens to jobs: builds the rows of guests' decisions and of outgoing messages,
//! commits rows, and passes them on after the commit.

use crate::bus::{Bus, JobStep};
use crate::outbox::{Outbox, Outgoing};
use pylon_core::backoff::Backoff;
use pylon_core::decision_summary::Summarize;
use pylon_core::guest::{Fault, GuestAnswer, GuestFunction, GuestRef};
use pylon_core::message::{JobStatus, Message, ReplyTo};
use pylon_core::ports::clock::Clock;
use pylon_core::ports::decision_observer::DecisionObserver;
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::ports::market::{Market, MarketError};
use pylon_core::rows::{DecisionContext, DecisionRow, OutboxRow, Row};
use pylon_core::{Job, JobId, UnixTime};
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Feedback is not sent after this.
const FEEDBACK_LIFETIME_SECONDS: u64 = 3600;
/// A result is not sent after this.
const RESULT_LIFETIME_SECONDS: u64 = 7 * 24 * 3600;
/// Between two tries of a commit.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// Records what happens to jobs.
pub(crate) struct JobRecorder {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) market: Arc<dyn Market>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn DecisionObserver>,
    pub(crate) bus: Bus,
    pub(crate) outbox: Arc<Outbox>,
    /// Cancelled when the node stops: commits are no longer retried.
    pub(crate) stopped: CancellationToken,
}

/// A call to a guest, and what it was about.
pub(crate) struct DecisionOf<'a> {
    pub(crate) job: &'a Job,
    pub(crate) revision: u64,
    pub(crate) function: GuestFunction,
    pub(crate) attempt: u32,
}

/// Before a commit.
impl JobRecorder {
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The row of a decision. For a confidential job its texts are replaced by their digests.
    pub(crate) fn decision<T: Serialize + Summarize>(
        &self,
        of: &DecisionOf<'_>,
        question: &impl Serialize,
        answer: &GuestAnswer<T>,
    ) -> Row {
        let DecisionOf { job, revision, function, attempt } = *of;
        let digest = |text: &str| self.journal.digest(job.id, text);
        let is_redacted = |_: &&T| job.confidential;
        let redacted =
            answer.value.as_ref().ok().filter(is_redacted).map(|value| value.redact(&digest));
        let value = redacted.as_ref().map_or(answer.value.as_ref(), Ok);
        let output: Result<String, Fault> = value.map(json).map_err(|fault| *fault);
        if let Err(fault) = output {
            let (job, guest) = (job.id.short(), answer.call.guest.name.as_str());
            tracing::warn!(job, guest, %function, %fault, "guest call failed");
        }
        self.bus.emit_step(job.id, || JobStep::Guest {
            function,
            call: answer.call.clone(),
            summary: value.map_or_else(Fault::to_string, Summarize::summary),
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
            at: self.now(),
        }))
    }

    /// The row of a feedback message, unless it cannot be signed.
    pub(crate) fn feedback(&self, to: ReplyTo<'_>, status: JobStatus) -> Option<Row> {
        let message = Message::Feedback { to, status };
        self.message(to.job, &message, false, FEEDBACK_LIFETIME_SECONDS)
    }

    /// The row of a result, unless it cannot be signed.
    pub(crate) fn result(&self, job: JobId, message: &Message<'_>) -> Option<Row> {
        self.message(job, message, true, RESULT_LIFETIME_SECONDS)
    }

    fn message(
        &self,
        job: JobId,
        message: &Message<'_>,
        result: bool,
        lifetime_seconds: u64,
    ) -> Option<Row> {
        let now = self.now();
        // A message that cannot be signed ends its job, and the next one says so: a panic here must
        // not end in another.
        let signed = catch_unwind(AssertUnwindSafe(|| self.market.sign(message, now)));
        match signed.unwrap_or_else(|_| Err(MarketError::Unpublishable("a panic".into()))) {
            Ok(message) => {
                let expires_at = now.plus(lifetime_seconds);
                Some(Row::Send(OutboxRow { job, result, message, expires_at }))
            }
            Err(error) => {
                tracing::error!(job = %job.short(), %error, "cannot sign a message");
                None
            }
        }
    }
}

/// The commit, and after it.
impl JobRecorder {
    /// Commits the rows, then sends their messages and notifies the observer of their decisions.
    /// The commit is retried until it succeeds: a job that waits here keeps its reservation, so
    /// that a failing journal soon stops the intake, and nothing is lost. `false`: the rows were
    /// not written and never will be, or the node has stopped.
    pub(crate) async fn commit(
        &self,
        job: JobId,
        rows: Vec<Row>,
        context: Option<DecisionContext<'_>>,
    ) -> bool {
        let messages = outbox_rows(&rows);
        let rows: Arc<[Row]> = rows.into();
        if self.commit_rows(job, &rows).await.is_err() {
            return false;
        }
        if let Some(context) = context {
            self.notify(&rows, context);
        }
        messages.into_iter().for_each(|row| self.outbox.send(Outgoing::Durable(row)));
        true
    }

    async fn commit_rows(&self, job: JobId, rows: &Arc<[Row]>) -> Result<(), JournalError> {
        let mut backoff = Backoff::new(BACKOFF_MIN, BACKOFF_MAX);
        let job = job.short();
        loop {
            match self.journal.commit(Arc::clone(rows)).await {
                Ok(()) => return Ok(()),
                Err(JournalError::Known) => return Err(JournalError::Known),
                Err(error @ (JournalError::Contradicts(_) | JournalError::Unreadable(_))) => {
                    tracing::error!(%job, %error, "commit failed");
                    return Err(error);
                }
                Err(error) if self.stopped.is_cancelled() => {
                    tracing::error!(%job, %error, "commit failed before the stop");
                    return Err(error);
                }
                Err(error) => tracing::error!(%job, %error, "commit failed, retrying"),
            }
            tokio::time::sleep(backoff.next_pause()).await;
        }
    }

    fn notify(&self, rows: &[Row], context: DecisionContext<'_>) {
        for row in rows {
            if let Row::Decision(decision) = row {
                let DecisionRow { job, guest, function, output, wall_us, .. } = &**decision;
                let (job, guest, fault) = (job.short(), guest.name.as_str(), output.as_ref().err());
                tracing::debug!(job, guest, %function, wall_us, ?fault, "a guest decided");
                self.observer.on_decision(decision, context);
            }
        }
    }
}

/// The messages among the rows of a commit.
fn outbox_rows(rows: &[Row]) -> Vec<OutboxRow> {
    let message = |row: &Row| if let Row::Send(row) = row { Some(row.clone()) } else { None };
    rows.iter().filter_map(message).collect()
}

/// Serializing types of the core cannot fail.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

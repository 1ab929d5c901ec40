//! A job task: the one task that owns a job's row. Events are delivered to its mailbox, applied by
//! the pure machine, committed, and only then acted on. [`before_commit`] builds the rows of a
//! commit; [`after_commit`] runs what is visible outside.

mod after_commit;
mod before_commit;
mod updates;
mod work;

use crate::capacity::Reservation;
use crate::envelope::Envelope;
use crate::inputs::{InputFetcher, Texts};
use crate::payments::{Payments, WalletCall};
use crate::recorder::JobRecorder;
use crate::scheduler::{Scheduler, WorkerPermit};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use pylon_core::Job;
use pylon_core::guest::GuestRef;
use pylon_core::job::JobError;
use pylon_core::machine::{self, Delivery, Effect, Event, JobState, Step};
use pylon_core::ports::executor::{AttemptResult, Executor};
use pylon_core::ports::guests::GuestSet;
use pylon_core::rows::{DecisionContext, Row};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Receives the envelopes of one job.
pub(crate) type Mailbox = mpsc::Receiver<Envelope>;

/// The parts of the node that job tasks use.
pub(crate) struct Services {
    pub(crate) recorder: Arc<JobRecorder>,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) inputs: Arc<InputFetcher>,
    pub(crate) payments: Arc<Payments>,
    pub(crate) executor: Arc<dyn Executor>,
}

/// What a job task starts with.
pub(crate) struct JobSetup {
    pub(crate) state: JobState,
    /// What policies see of the job.
    pub(crate) policy_view: Arc<Job>,
    pub(crate) guests: Arc<dyn GuestSet>,
    /// The job's own guest set is unavailable: none of `guests` is called.
    pub(crate) is_orphan: bool,
    /// The guests that took part so far, which the result names.
    pub(crate) guest_refs: Vec<GuestRef>,
    /// Held until the job ends.
    pub(crate) reservation: Option<Reservation>,
}

pub(crate) struct JobTask {
    services: Arc<Services>,
    state: JobState,
    policy_view: Arc<Job>,
    guests: Arc<dyn GuestSet>,
    is_orphan: bool,
    guest_refs: Vec<GuestRef>,
    reservation: Option<Reservation>,
    mailbox: Mailbox,
    /// The node's own time spent on the job.
    node_time: Duration,
    permit: Option<WorkerPermit>,
    queued: Option<oneshot::Receiver<WorkerPermit>>,
    fetching: Option<BoxFuture<'static, Result<Texts, JobError>>>,
    /// The texts of the inputs, once they are fetched.
    texts: Option<Texts>,
    running: Option<BoxFuture<'static, AttemptResult>>,
    wallet_calls: FuturesUnordered<WalletCall>,
}

impl JobTask {
    pub(crate) fn new(services: Arc<Services>, setup: JobSetup, mailbox: Mailbox) -> Self {
        let JobSetup { state, policy_view, guests, is_orphan, guest_refs, reservation } = setup;
        Self {
            services,
            state,
            policy_view,
            guests,
            is_orphan,
            guest_refs,
            reservation,
            mailbox,
            node_time: Duration::ZERO,
            permit: None,
            queued: None,
            fetching: None,
            texts: None,
            running: None,
            wallet_calls: FuturesUnordered::new(),
        }
    }

    /// Commits the admission, with the rows of its decisions, and continues until the job needs no
    /// task. Returns the mailbox.
    pub(crate) async fn admit(mut self, step: Step, mut rows: Vec<Row>, begun: Instant) -> Mailbox {
        let effects = self.before_commit(step, &mut rows);
        rows.insert(0, Row::Admit(Box::new(self.state.clone())));
        if self.commit(rows, effects, begun).await {
            self.handle_events().await;
        }
        self.end()
    }

    /// Handles this envelope, and continues until the job needs no task. Returns the mailbox.
    pub(crate) async fn run(mut self, first: Envelope) -> Mailbox {
        if self.advance(first).await {
            self.handle_events().await;
        }
        self.end()
    }

    /// Frees everything that the task holds.
    fn end(self) -> Mailbox {
        self.services.scheduler.cancel(self.state.job.id);
        self.mailbox
    }

    async fn handle_events(&mut self) {
        while !self.is_idle() || !self.mailbox.is_empty() {
            let envelope = tokio::select! {
                envelope = self.mailbox.recv() => match envelope {
                    Some(envelope) => envelope,
                    // The node stops. The journal has the job.
                    None => return,
                },
                fetched = ready(&mut self.fetching) => match self.fetched(fetched) {
                    Some(event) => event.into(),
                    None => continue,
                },
                permit = ready(&mut self.queued) => match permit {
                    Ok(permit) => {
                        self.permit = Some(permit);
                        Event::Scheduled.into()
                    }
                    Err(_) => continue,
                },
                result = ready(&mut self.running) => self.attempt_finished(result),
                Some(event) = self.wallet_calls.next(), if !self.wallet_calls.is_empty() => {
                    match event {
                        Some(event) => event.into(),
                        None => continue,
                    }
                }
            };
            if !self.advance(envelope).await {
                return;
            }
        }
    }

    /// Whether the job needs no task for now.
    fn is_idle(&self) -> bool {
        self.state.is_over()
            && self.state.delivery != Delivery::Queued
            && self.running.is_none()
            && self.wallet_calls.is_empty()
    }

    /// Applies an event, commits what follows, and acts on it. `false`: the commit failed, so that
    /// this state is not that of the row.
    async fn advance(&mut self, envelope: Envelope) -> bool {
        let begun = Instant::now();
        let before = self.columns();
        let Envelope { event, mut rows, ack } = envelope;
        // Only the operator's first decision on a result counts.
        if matches!(event, Event::Accepted | Event::Rejected) && !self.state.is_in_review() {
            return true;
        }
        let step = machine::step(&mut self.state, event, self.services.recorder.now());
        let effects = self.before_commit(step, &mut rows);
        if rows.is_empty() && effects.is_empty() && before == self.columns() {
            return true;
        }
        rows.push(Row::Update(Box::new(self.state.clone())));
        let written = self.commit(rows, effects, begun).await;
        if let Some(ack) = ack.filter(|_| written) {
            // The sender may be gone.
            let _ = ack.send(());
        }
        written
    }

    /// Write before act: the effects run only after their commit.
    async fn commit(&mut self, rows: Vec<Row>, effects: Vec<Effect>, begun: Instant) -> bool {
        let context = DecisionContext {
            job: &self.policy_view,
            plan: Some(&self.state.plan),
            output: self.state.output.as_ref(),
        };
        let recorder = &self.services.recorder;
        let written = recorder.commit(self.state.job.id, rows, Some(context)).await;
        if written {
            self.after_commit(effects, begun);
        }
        written
    }

    /// What a change of the row is recognized by.
    fn columns(&self) -> impl PartialEq + use<> {
        let state = &self.state;
        (
            state.execution,
            state.delivery,
            state.invoicing,
            state.settlement,
            state.attempt,
            state.paid,
        )
    }
}

/// Resolves with the future's output, and never if there is no future.
async fn ready<F: Future + Unpin>(slot: &mut Option<F>) -> F::Output {
    match slot {
        Some(future) => {
            let output = future.await;
            *slot = None;
            output
        }
        None => std::future::pending().await,
    }
}

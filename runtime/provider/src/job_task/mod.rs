//! A job task: the one task that owns a job's row. Events are delivered to its mailbox, applied by
//! the pure machine, committed, and only then acted on. [`before_commit`] builds the rows of a
//! commit; [`after_commit`] runs what is visible outside. A job that only waits needs no task: its
//! texts are in the journal.

mod after_commit;
mod before_commit;
mod updates;
mod work;

use crate::capacity::Reservation;
use crate::envelope::Envelope;
use crate::inputs::{InputFetcher, Texts};
use crate::panics::Panicked;
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
use tokio::time::sleep;

/// Relays usually accept a result within this. After it the job waits without a task.
const DELIVERY_WAIT: Duration = Duration::from_secs(10);

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
    /// What is kept of a job while it has no task.
    pub(crate) parked: Parked,
}

/// What is kept of a job that waits without a task.
#[derive(Default)]
pub(crate) struct Parked {
    /// Held until the job ends.
    pub(crate) reservation: Option<Reservation>,
    /// Its guest set, which is available as long as it is held.
    pub(crate) guests: Option<Arc<dyn GuestSet>>,
    /// The node's own time spent on the job.
    pub(crate) node_time: Duration,
    /// Its place in the queue for a worker.
    pub(crate) queued: Option<oneshot::Receiver<WorkerPermit>>,
}

/// What a task leaves behind.
pub(crate) struct Ended {
    pub(crate) mailbox: Mailbox,
    /// Present if the job is not over.
    pub(crate) parked: Option<Parked>,
}

pub(crate) struct JobTask {
    services: Arc<Services>,
    state: JobState,
    policy_view: Arc<Job>,
    guests: Arc<dyn GuestSet>,
    is_orphan: bool,
    guest_refs: Vec<GuestRef>,
    parked: Parked,
    mailbox: Mailbox,
    permit: Option<WorkerPermit>,
    fetching: Option<BoxFuture<'static, Result<Result<Texts, JobError>, Panicked>>>,
    /// The texts of the inputs, once they are fetched.
    texts: Option<Texts>,
    running: Option<BoxFuture<'static, Result<AttemptResult, Panicked>>>,
    wallet_calls: FuturesUnordered<WalletCall>,
}

impl JobTask {
    pub(crate) fn new(services: Arc<Services>, setup: JobSetup, mailbox: Mailbox) -> Self {
        let JobSetup { state, policy_view, guests, is_orphan, guest_refs, parked } = setup;
        Self {
            services,
            state,
            policy_view,
            guests,
            is_orphan,
            guest_refs,
            parked,
            mailbox,
            permit: None,
            fetching: None,
            texts: None,
            running: None,
            wallet_calls: FuturesUnordered::new(),
        }
    }

    /// Commits the admission, with the rows of its decisions, and continues until the job needs no
    /// task.
    pub(crate) async fn admit(mut self, step: Step, mut rows: Vec<Row>, begun: Instant) -> Ended {
        let effects = self.before_commit(step, &mut rows);
        rows.insert(0, Row::Admit(Box::new(self.state.clone())));
        let is_known = self.commit(rows, effects, begun).await && self.handle_events().await;
        self.end(is_known)
    }

    /// Handles this envelope, and continues until the job needs no task.
    pub(crate) async fn run(mut self, first: Envelope) -> Ended {
        let is_known = self.advance(first).await && self.handle_events().await;
        self.end(is_known)
    }

    /// `is_known`: the state is that of the row. Otherwise nothing is kept of the job.
    fn end(self, is_known: bool) -> Ended {
        let is_parked = is_known && !self.state.is_over();
        if !is_parked {
            self.services.scheduler.cancel(self.state.job.id);
        }
        let guests = Some(self.guests).filter(|_| !self.is_orphan);
        let parked = is_parked.then_some(Parked { guests, ..self.parked });
        Ended { mailbox: self.mailbox, parked }
    }

    /// Until the job needs no task. `false` if a commit failed.
    async fn handle_events(&mut self) -> bool {
        while !self.is_idle() || !self.mailbox.is_empty() {
            let is_sending = self.is_only_sending();
            let envelope = tokio::select! {
                envelope = self.mailbox.recv() => match envelope {
                    Some(envelope) => envelope,
                    // The node stops. The journal has the job.
                    None => return true,
                },
                fetched = ready(&mut self.fetching) => match self.fetched(fetched) {
                    Some(event) => event.into(),
                    None => continue,
                },
                permit = ready(&mut self.parked.queued) => match permit {
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
                () = sleep(DELIVERY_WAIT), if is_sending => return true,
            };
            if !self.advance(envelope).await {
                return false;
            }
        }
        true
    }

    /// Whether the job needs no task for now: nothing is in progress, and everything that it waits
    /// for is delivered to its row in the journal. Only fetched texts are nowhere else.
    fn is_idle(&self) -> bool {
        self.running.is_none()
            && self.fetching.is_none()
            && self.wallet_calls.is_empty()
            && (self.state.is_over() || self.texts.is_none())
            && self.state.delivery != Delivery::Queued
    }

    /// Whether the job only waits for the relays to accept its result.
    fn is_only_sending(&self) -> bool {
        self.state.delivery == Delivery::Queued
            && self.running.is_none()
            && self.wallet_calls.is_empty()
    }

    /// Applies an event, commits what follows, and acts on it. `false`: the commit failed, so that
    /// this state is not that of the row.
    async fn advance(&mut self, envelope: Envelope) -> bool {
        let begun = Instant::now();
        let before = self.columns();
        let Envelope { event, mut rows, ack, permit } = envelope;
        // Only the operator's first decision on a result counts.
        if matches!(event, Event::Accepted | Event::Rejected) && !self.state.is_in_review() {
            return true;
        }
        self.permit = permit.or(self.permit.take());
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

//! Takes requests from the market, one after the other: duplicates are dropped, capacity is
//! reserved, and the decision is left to a task of its own.

use crate::admission::{Admission, AdmissionRequest, Decisions};
use crate::capacity::{Capacity, Reservation};
use crate::inputs::INPUT_BYTES_MAX;
use crate::job_task::{JobSetup, Mailbox, Parked};
use crate::panics::catch_in_job;
use crate::payments::Payments;
use crate::recorder::JobRecorder;
use crate::refusals::{Refusals, RequestMeta};
use crate::registry::Registry;
use crate::withdrawals::Withdrawals;
use pylon_core::decision::{REDACTED, Refusal};
use pylon_core::machine::{self, Event};
use pylon_core::message::Incoming;
use pylon_core::ports::guests::GuestSet;
use pylon_core::rows::DecisionContext;
use pylon_core::sync::lock;
use pylon_core::{Job, JobId, PublicKey};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// When a customer may try again after a refusal for lack of capacity.
const BUSY_SECONDS: u32 = 30;

/// What the intake needs.
#[derive(Clone)]
pub(crate) struct JobIntake {
    pub(crate) recorder: Arc<JobRecorder>,
    pub(crate) payments: Arc<Payments>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) registry: Arc<Registry>,
    /// Withdrawn before they arrived.
    pub(crate) withdrawn: Arc<Mutex<Withdrawals>>,
}

/// A request that is not a duplicate and has a reservation.
struct Accepted {
    job: Job,
    begun: Instant,
    guests: Arc<dyn GuestSet>,
    reservation: Reservation,
    mailbox: Mailbox,
}

impl JobIntake {
    /// Takes requests until the market closes or the node stops.
    pub(crate) async fn run(self, closing: CancellationToken) {
        loop {
            let incoming = tokio::select! {
                () = closing.cancelled() => return,
                incoming = self.recorder.market.next() => incoming,
            };
            match incoming {
                Some(Incoming::Job(job)) if self.is_withdrawn(&job) => {
                    tracing::debug!(job = %job.id.short(), "withdrawn before it arrived");
                }
                Some(Incoming::Job(job)) => self.take(*job).await,
                Some(malformed @ Incoming::Malformed { .. }) => self.reject(malformed).await,
                Some(Incoming::Cancel { customer, jobs, targeted }) => {
                    for id in jobs {
                        if !self.cancel(customer, id).await {
                            lock(&self.withdrawn).remember(customer, id, targeted);
                        }
                    }
                }
                None => return,
            }
        }
    }

    fn is_withdrawn(&self, job: &Job) -> bool {
        lock(&self.withdrawn).holds(job.customer, job.id)
    }

    async fn take(&self, job: Job) {
        let begun = Instant::now();
        if self.is_known(job.id) {
            return;
        }
        let guests = match self.admission.guest_set(job.kind) {
            Ok(guests) => guests,
            Err(refusal) => return self.refuse_if_targeted(&job, refusal).await,
        };
        // Fetched inputs stay in memory while the job waits, the texts of the request do not.
        let bytes = if job.is_complete() { 0 } else { INPUT_BYTES_MAX + job.origin.len() as u64 };
        let reserve = |preferred: bool| self.capacity.reserve(job.customer, preferred, bytes);
        // A request whose inputs are fetched can hold its reservation for long at no cost.
        let preferred = || job.is_complete() && self.payments.has_paid(job.customer);
        let Some(reservation) = reserve(false).or_else(|| reserve(preferred())) else {
            if !job.targeted {
                tracing::warn!(job = %job.id.short(), "broadcast dropped: no capacity");
                self.refusals.count_dropped();
            }
            return self.refuse_if_targeted(&job, Refusal::Busy(BUSY_SECONDS)).await;
        };
        if let Some(mailbox) = self.registry.open(job.id, Some(job.customer)) {
            let request = RequestMeta::of(&job);
            let accepted = Accepted { job, begun, guests, reservation, mailbox };
            let intake = self.clone();
            tokio::spawn(async move {
                let id = request.id;
                if catch_in_job(id, intake.decide(accepted)).await.is_err() {
                    let _ = catch_in_job(id, intake.panicked(request)).await;
                }
            });
        }
    }

    /// A request whose admission panicked is refused; a job that was admitted ends.
    async fn panicked(&self, request: RequestMeta) {
        let id = request.id;
        if matches!(self.recorder.journal.job(id), Ok(None)) {
            let refusal = Refusal::Other("internal error of the provider".into());
            self.refusals.refuse(request, refusal, Vec::new(), None).await;
            self.registry.close(id);
        } else {
            self.registry.panicked(id).await;
        }
    }

    /// Has the request decided about, and runs the job if it is admitted.
    async fn decide(&self, accepted: Accepted) {
        let Accepted { job, begun, guests, reservation, mailbox } = accepted;
        let id = job.id;
        let policy_view = Arc::new(job.policy_view(guests.public_params(job.kind)));
        let mut decisions = Decisions::default();
        let request = AdmissionRequest { job: &job, policy_view: &policy_view, guests: &*guests };
        match self.admission.decide(&request, &mut decisions) {
            Ok(plan) => {
                let (state, step) = machine::admit(job, plan, self.recorder.now());
                let setup = JobSetup {
                    state,
                    policy_view,
                    guests,
                    is_orphan: false,
                    guest_refs: decisions.guests,
                    parked: Parked { reservation: Some(reservation), ..Parked::default() },
                };
                self.registry.admit(setup, mailbox, step, decisions.rows, begun).await;
            }
            Err(refusal) => {
                let permit = self.refusals.permit().await;
                // A request that only has to be recorded needs no capacity.
                drop(reservation);
                let meta = if decisions.rows.is_empty() {
                    RequestMeta::of(&job)
                } else {
                    RequestMeta::retaining(&job, &policy_view)
                };
                let context = DecisionContext { job: &policy_view, plan: None, output: None };
                self.refusals.refuse(meta, refusal, decisions.rows, Some(context)).await;
                drop(permit);
                self.registry.close(id);
            }
        }
    }

    async fn reject(&self, malformed: Incoming) {
        let Incoming::Malformed { id, kind, customer, created_at, targeted, reason, confidential } =
            malformed
        else {
            return;
        };
        if targeted && !self.is_known(id) {
            let retained = None;
            let meta =
                RequestMeta { id, kind, customer, created_at, targeted, confidential, retained };
            self.refuse(meta, Refusal::Invalid(reason)).await;
        } else {
            // The reason may quote a confidential request.
            let reason = if confidential.is_some() { REDACTED } else { &reason };
            tracing::debug!(job = %id.short(), reason, "malformed request ignored");
        }
    }

    async fn refuse_if_targeted(&self, job: &Job, refusal: Refusal) {
        if job.targeted {
            self.refuse(RequestMeta::of(job), refusal).await;
        }
    }

    /// Refuses in a task of its own. The intake waits only if there are very many.
    async fn refuse(&self, request: RequestMeta, refusal: Refusal) {
        let Some(permit) = self.refusals.permit().await else { return };
        let refusals = Arc::clone(&self.refusals);
        tokio::spawn(async move {
            refusals.refuse(request, refusal, Vec::new(), None).await;
            drop(permit);
        });
    }

    /// Whether a task or the journal has this id. If the journal cannot be read, every request
    /// counts as known.
    fn is_known(&self, id: JobId) -> bool {
        self.registry.holds(id)
            || self.recorder.journal.knows(id).unwrap_or_else(|error| {
                tracing::error!(%error, "cannot read the journal: request ignored");
                true
            })
    }

    /// Only the author of a request may withdraw it (NIP-09). `false`: the request has not arrived.
    async fn cancel(&self, customer: PublicKey, id: JobId) -> bool {
        let author = match self.registry.customer(id) {
            Some(author) => Ok(Some(author)),
            None => self.recorder.journal.customer_of_open(id),
        };
        match author {
            Ok(Some(author)) if author == customer => {
                self.registry.deliver(id, Event::Cancelled.into()).await;
            }
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(error) => {
                tracing::error!(%error, "cannot read the journal: cancellation ignored");
            }
        }
        true
    }
}

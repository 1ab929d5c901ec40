//! Refuses requests: recorded, and sent to customers that named this node. A customer with too many
//! refusals gets no reply.

use crate::payments::Payments;
use crate::recorder::JobRecorder;
use pylon_core::decision::{REDACTED, Refusal};
use pylon_core::message::{JobStatus, ReplyTo};
use pylon_core::refusal_limit::RefusalRateLimiter;
use pylon_core::rows::{DecisionContext, RefusalRow, Row};
use pylon_core::sync::lock;
use pylon_core::{Job, JobId, PublicKey, UnixTime};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

/// Refusals being committed, so that they share commits. Above that the intake waits, and so do the
/// reservations of the refused requests.
const REFUSAL_CONCURRENCY: usize = 64;

/// From the first dropped request to the commit of their number.
const RECORD_DELAY: Duration = Duration::from_secs(1);

/// The metadata of a request, without its content.
pub(crate) struct RequestMeta {
    pub(crate) id: JobId,
    pub(crate) kind: u16,
    pub(crate) customer: PublicKey,
    pub(crate) created_at: UnixTime,
    pub(crate) targeted: bool,
    /// As [`ReplyTo::confidential`].
    pub(crate) confidential: Option<String>,
    /// The retained view, if a guest was asked about the request.
    pub(crate) retained: Option<Box<Job>>,
}

impl RequestMeta {
    pub(crate) fn of(job: &Job) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            customer: job.customer,
            created_at: job.created_at,
            targeted: job.targeted,
            confidential: job.confidential.then(|| job.origin.clone()),
            retained: None,
        }
    }

    /// Of a request that guests were asked about: with what is needed to ask other guests the same,
    /// if that may be kept.
    pub(crate) fn retaining(job: &Job, policy_view: &Job) -> Self {
        let retained = if job.confidential {
            Some(job.redacted())
        } else {
            let names: Vec<_> = policy_view.params.iter().map(|param| param.name.clone()).collect();
            job.fits_retained_view(&names).then(|| job.retained_view(&names))
        };
        Self { retained: retained.map(Box::new), ..Self::of(job) }
    }
}

/// Refuses requests.
pub(crate) struct Refusals {
    recorder: Arc<JobRecorder>,
    payments: Arc<Payments>,
    limiter: Mutex<RefusalRateLimiter>,
    permits: Arc<Semaphore>,
    /// Requests dropped since they were last recorded.
    dropped: AtomicU64,
}

impl Refusals {
    pub(crate) fn new(recorder: Arc<JobRecorder>, payments: Arc<Payments>) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(REFUSAL_CONCURRENCY));
        let (limiter, dropped) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { recorder, payments, limiter, permits, dropped })
    }

    /// Waits until another refusal may be committed.
    pub(crate) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// Records a refusal and replies to the customer, unless the rate limit is reached.
    pub(crate) async fn refuse(
        &self,
        request: RequestMeta,
        refusal: Refusal,
        mut rows: Vec<Row>,
        context: Option<DecisionContext<'_>>,
    ) {
        let RequestMeta { id, kind, customer, created_at, targeted, confidential, retained } =
            request;
        if !self.is_allowed(customer) {
            let reason = refusal.code();
            tracing::debug!(job = %id.short(), kind, reason, "refusal not sent: rate limit");
            return;
        }
        let message = refusal.message();
        let refusal = match confidential {
            Some(_) => refusal.redact(|_| REDACTED.into()),
            None => refusal,
        };
        // The text may quote the customer. In a field it cannot look like a line of the log.
        tracing::info!(
            job = %id.short(),
            kind,
            targeted,
            reason = refusal.code(),
            text = refusal.message(),
            "refused"
        );
        if targeted {
            let to = ReplyTo { job: id, kind, customer, confidential: confidential.as_deref() };
            rows.extend(self.recorder.feedback(to, JobStatus::Error(message)));
        }
        let at = self.recorder.now();
        let row = RefusalRow { id, kind, customer, created_at, refusal, job: retained, at };
        rows.insert(0, Row::Refuse(Box::new(row)));
        self.recorder.commit(id, rows, context).await;
    }

    /// Counts a request to any provider that was dropped without an answer. Those of one second are
    /// one commit.
    pub(crate) fn count_dropped(self: &Arc<Self>) {
        if self.dropped.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let refusals = Arc::clone(self);
        tokio::spawn(async move {
            sleep(RECORD_DELAY).await;
            let row =
                Row::Dropped(refusals.dropped.swap(0, Ordering::Relaxed), refusals.recorder.now());
            if let Err(error) = refusals.recorder.journal.commit([row].into()).await {
                tracing::warn!(%error, "dropped requests were not recorded");
            }
        });
    }

    /// Customers that have paid have a share of their own.
    fn is_allowed(&self, customer: PublicKey) -> bool {
        let allows = |has_paid| lock(&self.limiter).allows(customer, has_paid, self.recorder.now());
        allows(false) || self.payments.has_paid(customer) && allows(true)
    }
}

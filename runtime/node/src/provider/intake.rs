//! What the market brings, one thing after the other: known things are dropped, a place is reserved, and the rest is left to the job's own task.

use super::Shared;
use super::admit::{self, Asked};
use super::registry::{self, Note};
use pylon_core::decision::Refusal;
use pylon_core::machine::Event;
use pylon_core::ports::market::Incoming;
use pylon_core::{Job, JobId, PublicKey};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Told to those for whom there is no place.
const BUSY_SECONDS: u32 = 30;

pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        let incoming = tokio::select! {
            () = shared.closing.cancelled() => return,
            incoming = shared.market.next() => incoming,
        };
        match incoming {
            Some(Incoming::Job(job)) => take(&shared, *job).await,
            Some(Incoming::Unusable { id, kind, customer, created_at, targeted, reason }) => {
                let asked = Asked { id, kind, customer, created_at, targeted };
                if targeted && !is_known(&shared, id) {
                    admit::refuse(&shared, asked, Refusal::Invalid(reason), Vec::new()).await;
                } else {
                    tracing::debug!(job = %id.short(), reason, "ignored");
                }
            }
            Some(Incoming::Cancel { customer, jobs }) => {
                for id in jobs {
                    cancel(&shared, customer, id).await;
                }
            }
            None => return,
        }
    }
}

async fn take(shared: &Arc<Shared>, job: Job) {
    let begun = Instant::now();
    if is_known(shared, job.id) {
        return;
    }
    if shared.journal_fails.load(Ordering::Acquire) {
        tracing::warn!(job = %job.id.short(), "not taken: the journal cannot be written");
        return;
    }
    let guests = shared.guests.current();
    let asked = Asked::of(&job);
    if !guests.serves(job.kind) {
        if job.targeted {
            admit::refuse(shared, asked, Refusal::Unsupported(format!("kind {}", job.kind)), Vec::new()).await;
        }
        return;
    }
    let Some(place) = shared.places.reserve(job.customer) else {
        if job.targeted {
            admit::refuse(shared, asked, Refusal::Busy(BUSY_SECONDS), Vec::new()).await;
        } else {
            tracing::warn!(job = %job.id.short(), "dropped: every place is taken");
        }
        return;
    };
    if let Some(mailbox) = shared.registry.open(job.id) {
        tokio::spawn(admit::decide(Arc::clone(shared), job, begun, guests, place, mailbox));
    }
}

/// Seen before: live, or in the journal. A journal that cannot be read takes nothing.
fn is_known(shared: &Shared, id: JobId) -> bool {
    shared.registry.holds(id)
        || shared.journal.knows(id).unwrap_or_else(|error| {
            tracing::error!(%error, "a request is passed over");
            true
        })
}

/// Only the author of a request may withdraw it (NIP-09).
async fn cancel(shared: &Arc<Shared>, customer: PublicKey, id: JobId) {
    match shared.journal.job(id) {
        Ok(Some(state)) if state.job.customer == customer && !state.is_over() => {
            registry::tell(shared, id, Note { event: Event::Cancelled, rows: Vec::new() }).await;
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "a cancellation is passed over"),
    }
}

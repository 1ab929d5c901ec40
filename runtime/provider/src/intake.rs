//! What the market brings, one thing after the other: known things are dropped, a place is reserved, and the rest is left to the job's own task.

use super::Shared;
use super::admit::{self, Asked};
use super::registry;
use pylon_core::decision::{REDACTED, Refusal};
use pylon_core::machine::Event;
use pylon_core::message::Incoming;
use pylon_core::recent::RecentSet;
use pylon_core::{Job, JobId, PublicKey};
use std::sync::Arc;
use std::time::Instant;

/// Withdrawals that are remembered because their requests have not come: relays bring stored events in any order, mostly the newest first.
const WITHDRAWN: usize = 4096;
/// Told to those for whom there is no place.
const BUSY_SECONDS: u32 = 30;

pub(super) async fn run(shared: Arc<Shared>) {
    let mut withdrawn = RecentSet::new(WITHDRAWN);
    loop {
        let incoming = tokio::select! {
            () = shared.closing.cancelled() => return,
            incoming = shared.market.next() => incoming,
        };
        match incoming {
            Some(Incoming::Job(job)) if withdrawn.holds(&(job.customer, job.id)) => {
                tracing::debug!(job = %job.id.short(), "withdrawn before it came");
            }
            Some(Incoming::Job(job)) => take(&shared, *job).await,
            Some(Incoming::Malformed {
                id,
                kind,
                customer,
                created_at,
                targeted,
                reason,
                confidential,
            }) => {
                let asked =
                    Asked { id, kind, customer, created_at, targeted, confidential, outline: None };
                if targeted && !is_known(&shared, id) {
                    refuse(&shared, asked, Refusal::Invalid(reason)).await;
                } else {
                    // What is wrong with a confidential request may quote it.
                    let reason = if asked.confidential.is_some() { REDACTED } else { &reason };
                    tracing::debug!(job = %id.short(), reason, "ignored");
                }
            }
            Some(Incoming::Cancel { customer, jobs }) => {
                for id in jobs {
                    cancel(&shared, customer, id, &mut withdrawn).await;
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
    let guests = shared.guests.current();
    if !guests.serves(job.kind) {
        if job.targeted {
            refuse(shared, Asked::of(&job), Refusal::Unsupported(format!("kind {}", job.kind)))
                .await;
        }
        return;
    }
    let reserve = |preferred: bool| shared.places.reserve(job.customer, preferred);
    // What has to be fetched first may hold its place for long, and cost nobody anything.
    let preferred = || job.is_complete() && shared.has_paid(job.customer);
    let Some(place) = reserve(false).or_else(|| reserve(preferred())) else {
        if job.targeted {
            refuse(shared, Asked::of(&job), Refusal::Busy(BUSY_SECONDS)).await;
        } else {
            tracing::warn!(job = %job.id.short(), "dropped: every place is taken");
        }
        return;
    };
    if let Some(mailbox) = shared.registry.open(job.id, Some(job.customer)) {
        tokio::spawn(admit::decide(Arc::clone(shared), job, begun, guests, place, mailbox));
    }
}

/// Says no beside what comes next; only when very many are being written already, what comes next waits.
async fn refuse(shared: &Arc<Shared>, asked: Asked, refusal: Refusal) {
    let Ok(writing) = Arc::clone(&shared.refusals).acquire_owned().await else { return };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        admit::refuse(&shared, asked, refusal, Vec::new()).await;
        drop(writing);
    });
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
async fn cancel(
    shared: &Arc<Shared>,
    customer: PublicKey,
    id: JobId,
    withdrawn: &mut RecentSet<(PublicKey, JobId)>,
) {
    let author = match shared.registry.customer(id) {
        Some(author) => Ok(Some(author)),
        None => shared.journal.customer_of_open(id),
    };
    match author {
        Ok(Some(author)) if author == customer => {
            registry::tell(shared, id, Event::Cancelled.into()).await;
        }
        Ok(Some(_)) => {}
        Ok(None) => drop(withdrawn.remember((customer, id))),
        Err(error) => tracing::error!(%error, "a cancellation is passed over"),
    }
}

//! The current status of a running node.

use crate::clock::SystemClock;
use pylon_control_api::{Backend, JobsInProgress, Model, Refused, Relay, Stats};
use pylon_core::decision::Candidate;
use pylon_core::ports::clock::Clock as _;
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::slots::Lockdown;
use pylon_core::slots::SlotStatus;
use pylon_journal::SqliteJournal;
use pylon_nostr::market::NostrMarket;
use pylon_provider::{BackendRegistry, WorkQueue};
use pylon_sandbox::GuestSetRegistry;
use pylon_slots::{SlotManager, handled_kinds};
use std::sync::Arc;

/// The period in which refused requests are counted: a day.
pub const REFUSED_SECONDS: u64 = 86_400;
/// Refused requests counted at most, because `status` may be called every second.
pub const REFUSED_MAX: usize = 10_000;

/// A read-only view of a node. It does not keep the node running.
#[derive(Clone)]
pub struct NodeStatus {
    pub(crate) journal: Arc<SqliteJournal>,
    pub(crate) backends: Arc<BackendRegistry>,
    /// Absent in host mode.
    pub(crate) market: Option<Arc<NostrMarket>>,
    /// Absent in host mode.
    pub(crate) work_queue: Option<WorkQueue>,
    /// Absent in host mode.
    pub(crate) served: Option<Arc<GuestSetRegistry>>,
    pub(crate) manager: Arc<SlotManager>,
    /// The totals of the journal when the node started.
    pub(crate) at_start: Stats,
}

impl NodeStatus {
    /// Counters since the start: the difference between the totals of the journal now and then.
    pub fn stats(&self) -> Result<Stats, JournalError> {
        let now = totals(&self.journal)?;
        Ok(Stats {
            refund_due_msats: now.refund_due_msats,
            jobs_completed: now.jobs_completed.saturating_sub(self.at_start.jobs_completed),
            earnings_msats: now.earnings_msats.saturating_sub(self.at_start.earnings_msats),
        })
    }

    /// Jobs in progress.
    pub fn jobs(&self) -> JobsInProgress {
        let Some(queue) = &self.work_queue else { return JobsInProgress::default() };
        let (running, waiting) = queue.counts();
        JobsInProgress { running, waiting, oldest_wait_secs: queue.oldest_wait_seconds() }
    }

    /// Requests refused within the last day.
    pub fn refused(&self) -> Result<Refused, JournalError> {
        let since = SystemClock.now().minus(REFUSED_SECONDS);
        self.journal.refusals(since, REFUSED_MAX).map(|by_code| Refused::of(since, by_code))
    }

    /// The backends in the operator's order, as of the last probe.
    pub fn backends(&self) -> Vec<Backend> {
        backends(&self.backends)
    }

    /// The backends, probed now.
    pub async fn fresh_backends(&self) -> Vec<Backend> {
        self.backends.probe().await;
        self.backends()
    }

    /// The request kinds that are served.
    pub fn kinds(&self) -> Vec<u16> {
        let handled = self.served.iter().flat_map(|guests| handled_kinds(guests));
        handled.map(|handled| handled.kind).collect()
    }

    /// The guests in all slots, with their statistics.
    pub async fn guests(&self) -> Vec<SlotStatus> {
        self.manager.status().await
    }

    /// The lockdown rules in effect.
    pub async fn rules(&self) -> Lockdown {
        self.manager.lockdown().await
    }

    /// How far the clock is ahead of those of the relays, if that is known.
    pub fn clock_off_s(&self) -> Option<i64> {
        self.market.as_ref()?.clock_ahead_seconds()
    }

    /// The relays, in the operator's order.
    pub fn relays(&self) -> Vec<Relay> {
        let relays = self.market.iter().flat_map(|market| market.relays());
        relays.map(|(url, connected)| Relay { url, connected }).collect()
    }
}

/// The backends, as of the last probe.
pub fn backends(backends: &BackendRegistry) -> Vec<Backend> {
    let candidates = backends.candidates();
    let of = |id: &str| {
        candidates
            .iter()
            .filter(|one| one.route.target.backend() == id)
            .cloned()
            .collect::<Vec<_>>()
    };
    backends
        .ids()
        .into_iter()
        .map(|id| (of(&id), id))
        .map(|(models, id)| Backend { error: backends.error(&id), ..backend(id, &models) })
        .collect()
}

/// The totals of the journal.
pub(crate) fn totals(journal: &SqliteJournal) -> Result<Stats, JournalError> {
    let earnings = journal.earnings(0)?;
    Ok(Stats {
        jobs_completed: earnings.jobs_completed,
        earnings_msats: earnings.total.get(),
        refund_due_msats: earnings.refund_due.get(),
    })
}

fn backend(id: String, models: &[Candidate]) -> Backend {
    let first = models.first();
    let model = |one: &Candidate| Model {
        id: one.route.target.model().to_owned(),
        default: one.preferred,
        context_tokens: one.context_tokens,
        price_permille: one.route.price_permille,
    };
    Backend {
        id,
        available: !models.is_empty(),
        default: models.iter().any(|model| model.preferred),
        models: models.iter().map(model).collect(),
        in_flight: first.map_or(0, |one| one.in_flight),
        limit: first.map_or(0, |one| one.limit),
        queued: first.map_or(0, |one| one.queued),
        first_output_ms: first.and_then(|one| one.first_output_ms),
        tokens_per_second: first.and_then(|one| one.tokens_per_second),
        failure_permille: first.map_or(0, |one| one.failure_permille),
        error: None,
    }
}

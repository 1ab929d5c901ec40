//! What can be said of a node at work, each time as it is at that moment.

use crate::clock::SystemClock;
use pylon_control_api::{Backend, Model, Refused, Relay, Stats};
use pylon_core::decision::Candidate;
use pylon_core::ports::clock::Clock as _;
use pylon_core::ports::journal::{Journal, JournalError};
use pylon_core::slots::Lockdown;
use pylon_core::slots::SlotStatus;
use pylon_journal::SqliteJournal;
use pylon_nostr::market::NostrMarket;
use pylon_provider::Backends;
use pylon_sandbox::GuestSetRegistry;
use pylon_slots::{SlotManager, handled_kinds};
use std::sync::Arc;

/// How far back refused requests are counted: a day.
pub const REFUSED_SECONDS: u64 = 86_400;
/// Refused requests that are counted at most: `status` may be asked every second.
pub const REFUSED_MAX: usize = 10_000;

/// A view of a node. It keeps nobody at work.
#[derive(Clone)]
pub struct Facts {
    pub(crate) journal: Arc<SqliteJournal>,
    pub(crate) backends: Arc<Backends>,
    /// Absent where nothing is sold.
    pub(crate) market: Option<Arc<NostrMarket>>,
    /// Absent where nothing is sold.
    pub(crate) served: Option<Arc<GuestSetRegistry>>,
    pub(crate) manager: Arc<SlotManager>,
    /// What the books said when the node started.
    pub(crate) before: Stats,
}

impl Facts {
    /// Since the start: the books of now without those of then, so nothing is lost or counted twice.
    pub fn stats(&self) -> Result<Stats, JournalError> {
        let now = totals(&self.journal)?;
        Ok(Stats {
            refund_due_msats: now.refund_due_msats,
            jobs_completed: now.jobs_completed.saturating_sub(self.before.jobs_completed),
            earnings_msats: now.earnings_msats.saturating_sub(self.before.earnings_msats),
        })
    }

    /// What was not taken lately.
    pub fn refused(&self) -> Result<Refused, JournalError> {
        let since = SystemClock.now().minus(REFUSED_SECONDS);
        self.journal.refusals(since, REFUSED_MAX).map(|by_code| Refused::of(since, by_code))
    }

    /// The backends, in the operator's order, as they were at the last look.
    pub fn backends(&self) -> Vec<Backend> {
        backends(&self.backends)
    }

    /// The same, as they are now.
    pub async fn fresh_backends(&self) -> Vec<Backend> {
        self.backends.look().await;
        self.backends()
    }

    /// The request kinds that are served.
    pub fn kinds(&self) -> Vec<u16> {
        let handled = self.served.iter().flat_map(|guests| handled_kinds(guests));
        handled.map(|handled| handled.kind).collect()
    }

    /// The guests, with how they do.
    pub async fn guests(&self) -> Vec<SlotStatus> {
        self.manager.status().await
    }

    /// What may be installed.
    pub async fn rules(&self) -> Lockdown {
        self.manager.lockdown().await
    }

    /// The relays, in the operator's order.
    pub fn relays(&self) -> Vec<Relay> {
        let relays = self.market.iter().flat_map(|market| market.relays());
        relays.map(|(url, connected)| Relay { url, connected }).collect()
    }
}

/// The backends, as they were at the last look.
pub fn backends(backends: &Backends) -> Vec<Backend> {
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
        .map(|(models, id)| backend(id, &models))
        .collect()
}

/// What the books say in all.
pub(crate) fn totals(journal: &SqliteJournal) -> Result<Stats, JournalError> {
    let books = journal.earnings(0)?;
    Ok(Stats {
        jobs_completed: books.jobs_completed,
        earnings_msats: books.total.get(),
        refund_due_msats: books.refund_due.get(),
    })
}

fn backend(id: String, models: &[Candidate]) -> Backend {
    let first = models.first();
    let model = |one: &Candidate| Model {
        id: one.route.target.model().to_owned(),
        default: one.preferred,
        context_tokens: one.context_tokens,
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
    }
}

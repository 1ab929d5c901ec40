//! From a request to an agreed plan or a refusal: routing is asked, then pricing, and the first commit says what came of it.

use super::commit::commit;
use super::gather;
use super::live::{self, Live};
use super::places::Reserved;
use super::record::{self, decision, situation};
use super::registry::Note;
use super::{INPUT_BYTES_MAX, Shared};
use pylon_core::admission::{self, AdmissionLimits};
use pylon_core::decision::{Candidate, QuoteContext, REDACTED, Refusal};
use pylon_core::guest::{GuestFunction, GuestRef};
use pylon_core::machine::{Plan, Step, admit};
use pylon_core::message::{JobStatus, ReplyTo};
use pylon_core::ports::guests::GuestSet as Guests;
use pylon_core::ports::journal::JournalError;
use pylon_core::rows::{DecisionContext, RefusalRow, Row};
use pylon_core::work::{Route, Usage};
use pylon_core::{Job, JobId, PublicKey, UnixTime};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// Refusals that are written at once, and become few commits. For further ones the intake waits, and so do the places of those who asked.
pub(super) const REFUSALS: usize = 64;

/// Who asked, for what, when, and how.
pub(super) struct Asked {
    pub(super) id: JobId,
    pub(super) kind: u16,
    pub(super) customer: PublicKey,
    pub(super) created_at: UnixTime,
    pub(super) targeted: bool,
    /// As [`ReplyTo::confidential`].
    pub(super) confidential: Option<String>,
    /// What is kept of it, if guests were asked about it.
    pub(super) outline: Option<Box<Job>>,
}

/// What is kept of a request that guests have refused: enough to ask others the same, or nothing.
fn outline(job: &Job, summary: &Job) -> Option<Box<Job>> {
    if job.confidential {
        return Some(Box::new(job.redacted()));
    }
    let names: Vec<_> = summary.params.iter().map(|param| param.name.clone()).collect();
    job.fits_retained_view(&names).then(|| Box::new(job.retained_view(&names)))
}

impl Asked {
    pub(super) fn of(job: &Job) -> Self {
        let confidential = job.confidential.then(|| job.origin.clone());
        Self {
            id: job.id,
            kind: job.kind,
            customer: job.customer,
            created_at: job.created_at,
            targeted: job.targeted,
            confidential,
            outline: None,
        }
    }
}

/// Takes the job or refuses it, and lives with it if it was taken.
pub(super) async fn decide(
    shared: Arc<Shared>,
    job: Job,
    begun: Instant,
    guests: Arc<dyn Guests>,
    place: Reserved,
    mailbox: mpsc::Receiver<Note>,
) {
    let id = job.id;
    let summary = Arc::new(job.policy_view(guests.public_params(job.kind)));
    let mut rows = Vec::new();
    let mut guest_refs = Vec::new();
    match plan(&shared, &job, &summary, &*guests, &mut rows, &mut guest_refs) {
        Ok(plan) => {
            let (state, step) = admit(job, plan, shared.clock.now());
            let mut live = Live::new(&shared, state, guests, summary, mailbox);
            live.place = Some(place);
            live.guest_refs = guest_refs;
            if take(&mut live, rows, step, begun).await {
                return live.live().await;
            }
        }
        Err(refusal) => {
            let writing = shared.refusals.acquire().await;
            // What is only to be written down is in nobody's way.
            drop(place);
            let mut asked = Asked::of(&job);
            if !rows.is_empty() {
                asked.outline = outline(&job, &summary);
            }
            let written = refuse(&shared, asked, refusal, rows).await;
            drop(writing);
            shared.decided(&written, DecisionContext { job: &summary, plan: None, output: None });
        }
    }
    shared.registry.forget(id);
}

/// The first commit of a job that is taken. Nothing was visible before it.
async fn take(live: &mut Live, mut rows: Vec<Row>, step: Step, begun: Instant) -> bool {
    let effects = live.resolve(step, &mut rows);
    let letters = record::letters(&rows);
    rows.insert(0, Row::Admit(Box::new(live.state.clone())));
    let rows: Arc<[Row]> = rows.into();
    let taken = commit(&live.shared, live.state.job.id, Arc::clone(&rows)).await.is_ok();
    if taken {
        live.decided(&rows);
        live.act(effects, letters, begun);
    }
    taken
}

/// Says no: stored, and told to a sender who addressed us. Who asks for too much of that is met with silence. Returns what was written.
pub(super) async fn refuse(
    shared: &Shared,
    asked: Asked,
    refusal: Refusal,
    mut rows: Vec<Row>,
) -> Arc<[Row]> {
    let Asked { id, kind, customer, created_at, targeted, confidential, outline } = asked;
    let allows =
        |has_paid: bool| shared.refusal_limiter().allows(customer, has_paid, shared.clock.now());
    if !(allows(false) || shared.has_paid(customer) && allows(true)) {
        tracing::debug!(job = %id.short(), kind, reason = refusal.code(), "one refusal too many");
        return Arc::default();
    }
    let words = refusal.message();
    let refusal =
        if confidential.is_some() { refusal.redact(|_| REDACTED.into()) } else { refusal };
    // A stranger's words are a field, where nothing in them can look like a line of ours.
    tracing::info!(job = %id.short(), kind, targeted, reason = refusal.code(), words = refusal.message(), "refused");
    if targeted {
        let to = ReplyTo { job: id, kind, customer, confidential: confidential.as_deref() };
        rows.extend(record::feedback(shared, to, JobStatus::Error(words)));
    }
    let letters = record::letters(&rows);
    let at = shared.clock.now();
    rows.insert(
        0,
        Row::Refuse(Box::new(RefusalRow {
            id,
            kind,
            customer,
            created_at,
            refusal,
            job: outline,
            at,
        })),
    );
    let rows: Arc<[Row]> = rows.into();
    if commit(shared, id, Arc::clone(&rows)).await.is_err() {
        return Arc::default();
    }
    letters.into_iter().for_each(|letter| shared.outbox.send(letter));
    rows
}

/// Asks routing and pricing.
fn plan(
    shared: &Shared,
    job: &Job,
    summary: &Job,
    guests: &dyn Guests,
    rows: &mut Vec<Row>,
    guest_refs: &mut Vec<GuestRef>,
) -> Result<Plan, Refusal> {
    let begun = Instant::now();
    let sources = guests.sources(job.kind).granted(shared.inputs.granted());
    admission::check(
        job,
        &AdmissionLimits { input_bytes_max: INPUT_BYTES_MAX, sources: sources.clone() },
    )?;
    gather::check(shared, job, &sources)?;
    shared.bus.step(job.id, || crate::Step::Native {
        what: "within bounds",
        micros: live::micros(begun.elapsed()),
    });
    let situation = situation(shared);

    let candidates = shared.backends.candidates();
    let answer = guests.rank(summary, &candidates, &situation);
    rows.push(decision(
        shared,
        job,
        guests.revision(),
        GuestFunction::Rank,
        0,
        &(&candidates, &situation),
        &answer,
    ));
    guest_refs.push(GuestRef::clone(&answer.call.guest));
    let order = match answer.value {
        Ok(ranking) => ranking?.order,
        // Routing that fails costs an order, not a job.
        Err(_) => (0..u32::try_from(candidates.len()).unwrap_or(u32::MAX)).collect(),
    };
    let routes = in_order(&candidates, &order);
    let Some(first) = routes.first().cloned() else { return Err(Refusal::NoBackend) };

    let now = shared.clock.now();
    let busy = |error: JournalError| {
        tracing::error!(%error, "no history to price by");
        Refusal::Busy(30)
    };
    let capabilities = shared.capabilities();
    let context = QuoteContext {
        route: first,
        // What is still to be fetched may turn out as large as is allowed.
        input_tokens_estimate: Usage::estimate(if job.is_complete() {
            job.input_bytes()
        } else {
            INPUT_BYTES_MAX
        }),
        terms: capabilities.terms,
        max_receivable: capabilities.max_receivable,
        step: capabilities.step,
        customer: shared.journal.customer_history(job.customer, now).map_err(busy)?,
        ours: shared.journal.kind_history(job.kind, now).map_err(busy)?,
        market: shared.market.prices(job.kind, now),
    };
    let answer = guests.quote(summary, &context, &situation);
    rows.push(decision(
        shared,
        job,
        guests.revision(),
        GuestFunction::Quote,
        0,
        &(&context, &situation),
        &answer,
    ));
    guest_refs.push(GuestRef::clone(&answer.call.guest));
    // Without a price nothing is sold.
    let offer = answer.value.map_err(|_| Refusal::Busy(60))??;
    match job.bid {
        Some(bid) if offer.price > bid => Err(Refusal::BidTooLow(offer.price)),
        _ => {
            let public = guests.public_params(job.kind).to_vec();
            Ok(Plan { revision: guests.revision(), routes, context, offer, public })
        }
    }
}

fn in_order(candidates: &[Candidate], order: &[u32]) -> Vec<Route> {
    order
        .iter()
        .filter_map(|index| candidates.get(*index as usize))
        .map(|candidate| candidate.route.clone())
        .collect()
}

//! From a request to an agreed plan or a refusal: routing is asked, then pricing, and the first commit says what came of it.

use super::commit::commit;
use super::gather;
use super::live::{self, Live};
use super::places::Reserved;
use super::record::{self, decision, situation};
use super::registry::Note;
use super::{INPUT_BYTES_MAX, Shared, Step};
use pylon_core::admission::{self, Bounds};
use pylon_core::decision::{Candidate, QuoteContext, Refusal, WITHHELD};
use pylon_core::machine::{Action, Plan, admit};
use pylon_core::ports::guests::Generation as Guests;
use pylon_core::ports::journal::{JournalError, RefusalRow, Row};
use pylon_core::ports::market::{Address, GuestStamp, Status};
use pylon_core::ports::witness::About;
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
    /// As [`Address::confidential`].
    pub(super) confidential: Option<String>,
    /// What is kept of it, if guests were asked about it.
    pub(super) outline: Option<Box<Job>>,
}

/// What is kept of a request that guests have refused: enough to ask others the same, or nothing.
fn outline(job: &Job, summary: &Job) -> Option<Box<Job>> {
    if job.confidential {
        return Some(Box::new(job.without_text()));
    }
    let names: Vec<_> = summary.params.iter().map(|param| param.name.clone()).collect();
    job.fits_outline(&names).then(|| Box::new(job.outline(&names)))
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
    let summary = Arc::new(job.summary(guests.public_params(job.kind)));
    let mut rows = Vec::new();
    let mut stamps = Vec::new();
    match plan(&shared, &job, &summary, &*guests, &mut rows, &mut stamps) {
        Ok(plan) => {
            let (state, actions) = admit(job, plan, shared.clock.now());
            let mut live = Live::new(&shared, state, guests, summary, mailbox);
            live.place = Some(place);
            live.stamps = stamps;
            if take(&mut live, rows, actions, begun).await {
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
            shared.decided(&written, About { job: &summary, plan: None, output: None });
        }
    }
    shared.registry.forget(id);
}

/// The first commit of a job that is taken. Nothing was visible before it.
async fn take(live: &mut Live, mut rows: Vec<Row>, actions: Vec<Action>, begun: Instant) -> bool {
    let acts = live.resolve(actions, &mut rows);
    let letters = record::letters(&rows);
    rows.insert(0, Row::Admit(Box::new(live.state.clone())));
    let rows: Arc<[Row]> = rows.into();
    let taken = commit(&live.shared, live.state.job.id, Arc::clone(&rows)).await.is_ok();
    if taken {
        live.decided(&rows);
        live.act(acts, letters, begun);
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
    let allows = |has_paid: bool| shared.courtesy().allows(customer, has_paid, shared.clock.now());
    if !(allows(false) || shared.has_paid(customer) && allows(true)) {
        tracing::debug!(job = %id.short(), kind, reason = refusal.code(), "one refusal too many");
        return Arc::default();
    }
    let words = refusal.words();
    let refusal =
        if confidential.is_some() { refusal.map_text(|_| WITHHELD.into()) } else { refusal };
    // A stranger's words are a field, where nothing in them can look like a line of ours.
    tracing::info!(job = %id.short(), kind, targeted, reason = refusal.code(), words = refusal.words(), "refused");
    if targeted {
        let to = Address { job: id, kind, customer, confidential: confidential.as_deref() };
        rows.extend(record::feedback(shared, to, Status::Error(words)));
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
            asked: outline,
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
    stamps: &mut Vec<GuestStamp>,
) -> Result<Plan, Refusal> {
    let begun = Instant::now();
    let sources = guests.sources(job.kind).granted(shared.inputs.granted());
    admission::check(job, &Bounds { input_bytes: INPUT_BYTES_MAX, sources: sources.clone() })?;
    gather::check(shared, job, &sources)?;
    shared.bus.step(job.id, || Step::Native {
        what: "within bounds",
        micros: live::micros(begun.elapsed()),
    });
    let situation = situation(shared);

    let candidates = shared.backends.candidates();
    let answer = guests.rank(summary, &candidates, &situation);
    rows.push(decision(
        shared,
        job,
        guests.number(),
        "rank",
        0,
        &(&candidates, &situation),
        &answer,
    ));
    stamps.push(GuestStamp::clone(&answer.call.guest));
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
        market: shared.market.asks(job.kind, now),
    };
    let answer = guests.quote(summary, &context, &situation);
    rows.push(decision(shared, job, guests.number(), "quote", 0, &(&context, &situation), &answer));
    stamps.push(GuestStamp::clone(&answer.call.guest));
    // Without a price nothing is sold.
    let offer = answer.value.map_err(|_| Refusal::Busy(60))??;
    match job.bid {
        Some(bid) if offer.price > bid => Err(Refusal::BidTooLow(offer.price)),
        _ => {
            let public = guests.public_params(job.kind).to_vec();
            Ok(Plan { generation: guests.number(), routes, context, offer, public })
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

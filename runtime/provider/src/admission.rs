//! Decides about a request: checks that need no guest, then routing, then pricing. The answer is an
//! agreed plan or a refusal.

use crate::backends::BackendRegistry;
use crate::bus::{JobStep, whole_us};
use crate::inputs::{INPUT_BYTES_MAX, InputFetcher};
use crate::payments::Payments;
use crate::recorder::{DecisionOf, JobRecorder};
use crate::scheduler::Scheduler;
use pylon_core::Job;
use pylon_core::admission::{self, AdmissionLimits};
use pylon_core::decision::{Candidate, QuoteContext, Refusal, Situation};
use pylon_core::decision_summary::Summarize;
use pylon_core::guest::{GuestAnswer, GuestFunction, GuestRef};
use pylon_core::machine::{Plan, Quotes, ROUTES_MAX};
use pylon_core::ports::guests::{GuestSet, GuestSets};
use pylon_core::ports::journal::JournalError;
use pylon_core::rows::Row;
use pylon_core::work::{Route, Usage};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

/// A customer may try again after this if the journal cannot be read.
const RETRY_SECONDS: u32 = 30;
/// And after this if pricing gives no answer.
const RETRY_PRICING_SECONDS: u32 = 60;

/// Decides about requests.
pub(crate) struct Admission {
    pub(crate) recorder: Arc<JobRecorder>,
    pub(crate) guests: Arc<dyn GuestSets>,
    pub(crate) backends: Arc<BackendRegistry>,
    pub(crate) inputs: Arc<InputFetcher>,
    pub(crate) payments: Arc<Payments>,
    pub(crate) scheduler: Arc<Scheduler>,
}

/// A request, and the guests that are asked about it.
pub(crate) struct AdmissionRequest<'a> {
    pub(crate) job: &'a Job,
    /// What policies see of the job.
    pub(crate) policy_view: &'a Job,
    pub(crate) guests: &'a dyn GuestSet,
}

/// The decisions about a request, in order.
#[derive(Default)]
pub(crate) struct Decisions {
    pub(crate) rows: Vec<Row>,
    pub(crate) guests: Vec<GuestRef>,
}

impl Admission {
    /// The current guest set, if it has a handler for this kind.
    pub(crate) fn guest_set(&self, kind: u16) -> Result<Arc<dyn GuestSet>, Refusal> {
        let guests = self.guests.current();
        if guests.serves(kind) {
            Ok(guests)
        } else {
            Err(Refusal::Unsupported(format!("kind {kind}")))
        }
    }

    /// Agrees on a plan, or refuses.
    pub(crate) fn decide(
        &self,
        request: &AdmissionRequest<'_>,
        decisions: &mut Decisions,
    ) -> Result<Plan, Refusal> {
        let AdmissionRequest { job, guests, .. } = *request;
        self.check(request)?;
        let situation = self.scheduler.situation();
        let routes = self.rank(request, &situation, decisions)?;
        let Some(first) = routes.first().cloned() else { return Err(Refusal::NoBackend) };
        let context = self.quote_context(job, first)?;
        let quotes = self.quotes(request, routes, &context, &situation, decisions);
        quotes.into_plan(guests.revision(), &context, guests.public_params(job.kind))
    }

    /// The checks that need no guest.
    fn check(&self, request: &AdmissionRequest<'_>) -> Result<(), Refusal> {
        let begun = Instant::now();
        let AdmissionRequest { job, guests, .. } = *request;
        let sources = self.inputs.sources(guests, job.kind);
        let limits = AdmissionLimits { input_bytes_max: INPUT_BYTES_MAX, sources: sources.clone() };
        admission::check(job, &limits)?;
        self.inputs.check(job, &sources)?;
        self.recorder.bus.emit_step(job.id, || JobStep::Native {
            what: "within limits",
            wall_us: whole_us(begun.elapsed()),
        });
        Ok(())
    }

    /// Asks routing for the routes in the order to try them.
    fn rank(
        &self,
        request: &AdmissionRequest<'_>,
        situation: &Situation,
        decisions: &mut Decisions,
    ) -> Result<Vec<Route>, Refusal> {
        let candidates = self.backends.candidates();
        let answer = request.guests.rank(request.policy_view, &candidates, situation);
        let question = (&candidates, situation);
        self.record(request, GuestFunction::Rank, &question, &answer, decisions);
        let order = match answer.value {
            Ok(ranking) => ranking?.order,
            // Without an answer of routing the operator's order applies.
            Err(_) => (0..u32::try_from(candidates.len()).unwrap_or(u32::MAX)).collect(),
        };
        Ok(in_order(&candidates, &order))
    }

    fn quote_context(&self, job: &Job, route: Route) -> Result<QuoteContext, Refusal> {
        let JobRecorder { journal, market, .. } = &*self.recorder;
        let now = self.recorder.now();
        let busy = |error: JournalError| {
            tracing::error!(%error, "cannot read the history for pricing");
            Refusal::Busy(RETRY_SECONDS)
        };
        let capabilities = self.payments.capabilities();
        // An input that is fetched later may be as large as the limit.
        let bytes = if job.is_complete() { job.input_bytes() } else { INPUT_BYTES_MAX };
        Ok(QuoteContext {
            route,
            input_tokens_estimate: Usage::estimate(bytes),
            terms: capabilities.terms,
            max_receivable: capabilities.max_receivable,
            step: capabilities.step,
            customer: journal.customer_history(job.customer, now).map_err(busy)?,
            ours: journal.kind_history(job.kind, now).map_err(busy)?,
            market: market.prices(job.kind, now),
        })
    }

    /// Asks pricing about each route that may be tried, until a call fails: the node never guesses
    /// a price, and one request does not repeat a fault on every route.
    fn quotes(
        &self,
        request: &AdmissionRequest<'_>,
        routes: Vec<Route>,
        context: &QuoteContext,
        situation: &Situation,
        decisions: &mut Decisions,
    ) -> Quotes {
        let mut quotes = Quotes::new(request.job);
        for route in routes.into_iter().take(ROUTES_MAX) {
            let context = context.with_route(route);
            let answer = request.guests.quote(request.policy_view, &context, situation);
            let question = (&context, situation);
            self.record(request, GuestFunction::Quote, &question, &answer, decisions);
            let is_answered = answer.value.is_ok();
            let unanswered = |_| Err(Refusal::Busy(RETRY_PRICING_SECONDS));
            quotes.add(context.route, answer.value.unwrap_or_else(unanswered));
            if !is_answered {
                break;
            }
        }
        quotes
    }

    fn record<T: Serialize + Summarize>(
        &self,
        request: &AdmissionRequest<'_>,
        function: GuestFunction,
        question: &impl Serialize,
        answer: &GuestAnswer<T>,
        decisions: &mut Decisions,
    ) {
        let revision = request.guests.revision();
        let of = DecisionOf { job: request.job, revision, function, attempt: 0 };
        decisions.rows.push(self.recorder.decision(&of, question, answer));
        if !decisions.guests.contains(&answer.call.guest) {
            decisions.guests.push(GuestRef::clone(&answer.call.guest));
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

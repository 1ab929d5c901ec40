//! Conversions between core types and WIT types. Policies are called for every job, so these only
//! copy.

use crate::bindings::{pricing, routing, types, verification};
use pylon_core::decision::{
    Candidate, History, MarketView, Offer, QuoteContext, Refusal, Situation, Terms,
};
use pylon_core::work::{
    Attribute, Check, CheckOutcome, Evidence, ExecutionTarget, Finish, Output, Route, Usage,
};
use pylon_core::{Input, InputSource, Job, Msat, Param};

pub(crate) fn job(job: &Job) -> types::Job {
    types::Job {
        id: job.id.to_hex(),
        kind: job.kind,
        customer: job.customer.to_hex(),
        created_at: job.created_at.get(),
        inputs: job.inputs.iter().map(input).collect(),
        params: params(&job.params),
        output: job.output.clone(),
        bid_msat: job.bid.map(Msat::get),
        targeted: job.targeted,
        confidential: job.confidential,
    }
}

fn input(input: &Input) -> types::Input {
    let source = match &input.source {
        InputSource::Text(_) | InputSource::Purged(_) => types::InputSource::Text,
        InputSource::Url(url) => types::InputSource::Url(url.clone()),
        InputSource::Event(id) => types::InputSource::Event(id.to_hex()),
        InputSource::Job(id) => types::InputSource::Job(id.to_hex()),
    };
    types::Input { source, bytes: input.bytes(), marker: input.marker.clone() }
}

pub(crate) fn params(params: &[Param]) -> Vec<types::Param> {
    params
        .iter()
        .map(|param| types::Param { name: param.name.clone(), values: param.values.clone() })
        .collect()
}

pub(crate) fn situation(situation: &Situation, settings: &[types::Param]) -> types::Situation {
    types::Situation {
        now: situation.now.get(),
        settings: settings.to_vec(),
        queued: situation.queued,
        running: situation.running,
        capacity: situation.capacity,
        extra: params(&situation.extra),
    }
}

pub(crate) fn route(route: &Route) -> types::Route {
    let target = match &route.target {
        ExecutionTarget::Model { backend, model } => {
            types::ExecutionTarget::Model(types::ModelTarget {
                backend: backend.clone(),
                model: model.clone(),
            })
        }
        ExecutionTarget::Agent { backend, isolation } => {
            types::ExecutionTarget::Agent(types::AgentTarget {
                backend: backend.clone(),
                isolation: isolation.clone(),
            })
        }
    };
    types::Route { target, price_permille: route.price_permille }
}

pub(crate) fn usage(usage: &Usage) -> types::Usage {
    types::Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cached_tokens: usage.cached_tokens,
        estimated: usage.estimated,
        work_ms: usage.work_ms,
        cpu_ms: usage.cpu_ms,
        peak_memory_bytes: usage.peak_memory_bytes,
        disk_bytes: usage.disk_bytes,
        network_bytes: usage.network_bytes,
    }
}

pub(crate) fn candidate(candidate: &Candidate) -> routing::Candidate {
    routing::Candidate {
        route: route(&candidate.route),
        context_tokens: candidate.context_tokens,
        in_flight: candidate.in_flight,
        limit: candidate.limit,
        queued: candidate.queued,
        first_output_ms: candidate.first_output_ms,
        tokens_per_second: candidate.tokens_per_second,
        failure_permille: candidate.failure_permille,
        preferred: candidate.preferred,
    }
}

pub(crate) fn context(context: &QuoteContext) -> pricing::Context {
    pricing::Context {
        route: route(&context.route),
        input_tokens_estimate: context.input_tokens_estimate,
        terms: context.terms.iter().copied().map(terms).collect(),
        max_receivable_msat: context.max_receivable.get(),
        step_msat: context.step.get(),
        customer: history(&context.customer),
        ours: history(&context.ours),
        market: context.market.as_ref().map(market),
    }
}

const fn terms(terms: Terms) -> pricing::Terms {
    match terms {
        Terms::Free => pricing::Terms::Free,
        Terms::OnDelivery => pricing::Terms::OnDelivery,
        Terms::BeforeWork => pricing::Terms::BeforeWork,
        Terms::Hold => pricing::Terms::Hold,
    }
}

fn history(history: &History) -> pricing::History {
    pricing::History {
        first_seen: history.first_seen.map(|seen| seen.get()),
        jobs_completed: history.jobs_completed,
        jobs_unpaid: history.jobs_unpaid,
        paid_msat: history.paid.get(),
        recent_paid_msat: history.recent_paid.get(),
    }
}

/// Facts of the context that its released record has no field for.
pub(crate) fn context_extra(context: &QuoteContext) -> impl Iterator<Item = types::Param> {
    let of_customer = ("customer-jobs-paid", context.customer.jobs_paid);
    let ours = ("ours-jobs-paid", context.ours.jobs_paid);
    [of_customer, ours].into_iter().filter_map(|(name, jobs)| {
        let values = vec![jobs?.to_string()];
        Some(types::Param { name: name.into(), values })
    })
}

fn market(market: &MarketView) -> pricing::Market {
    pricing::Market {
        offers: market.offers,
        low_msat: market.low.get(),
        median_msat: market.median.get(),
        high_msat: market.high.get(),
    }
}

pub(crate) fn offer(offer: &Offer) -> pricing::Offer {
    pricing::Offer {
        terms: terms(offer.terms),
        price_msat: offer.price.get(),
        cap_msat: offer.cap.get(),
        max_output_tokens: offer.max_output_tokens,
        max_work_ms: offer.max_work_ms,
        valid_seconds: offer.valid_seconds,
        priority: offer.priority,
        note: offer.note.clone(),
    }
}

pub(crate) fn offer_from_wit(offer: pricing::Offer) -> Offer {
    Offer {
        terms: match offer.terms {
            pricing::Terms::Free => Terms::Free,
            pricing::Terms::OnDelivery => Terms::OnDelivery,
            pricing::Terms::BeforeWork => Terms::BeforeWork,
            pricing::Terms::Hold => Terms::Hold,
        },
        price: Msat::new(offer.price_msat),
        cap: Msat::new(offer.cap_msat),
        max_output_tokens: offer.max_output_tokens,
        max_work_ms: offer.max_work_ms,
        valid_seconds: offer.valid_seconds,
        priority: offer.priority,
        note: offer.note,
    }
}

pub(crate) fn refusal_from_wit(refusal: types::Refusal) -> Refusal {
    match refusal {
        types::Refusal::NoBackend => Refusal::NoBackend,
        types::Refusal::BidTooLow(price) => Refusal::BidTooLow(Msat::new(price)),
        types::Refusal::Unsupported(what) => Refusal::Unsupported(what),
        types::Refusal::Busy(seconds) => Refusal::Busy(seconds),
        types::Refusal::Blocked => Refusal::Blocked,
        types::Refusal::Other(why) => Refusal::Other(why),
        types::Refusal::InvalidSetting(name) => Refusal::InvalidSetting(name),
    }
}

pub(crate) fn output(output: &Output) -> types::Output {
    let attribute =
        |it: &Attribute| types::Attribute { name: it.name.clone(), value: it.value.clone() };
    types::Output {
        content: output.content.clone(),
        mime: output.mime.clone(),
        attributes: output.attributes.iter().map(attribute).collect(),
    }
}

pub(crate) fn output_from_wit(output: types::Output) -> Output {
    let attribute = |it: types::Attribute| Attribute { name: it.name, value: it.value };
    Output {
        content: output.content,
        mime: output.mime,
        attributes: output.attributes.into_iter().map(attribute).collect(),
    }
}

pub(crate) fn evidence(evidence: &Evidence) -> verification::Evidence {
    verification::Evidence {
        finish: match evidence.finish {
            Finish::Complete => verification::Finish::Complete,
            Finish::Length => verification::Finish::Length,
            Finish::Cancelled => verification::Finish::Cancelled,
            Finish::Failed => verification::Finish::Failed,
        },
        checks: evidence.checks.iter().map(check).collect(),
        usage: usage(&evidence.usage),
        route: route(&evidence.route),
        attempt: evidence.attempt,
    }
}

fn check(check: &Check) -> types::Check {
    let outcome = match &check.outcome {
        CheckOutcome::Passed(passed) => types::Outcome::Passed(*passed),
        CheckOutcome::ExitCode(code) => types::Outcome::ExitCode(*code),
        CheckOutcome::Count(count) => types::Outcome::Count(*count),
        CheckOutcome::Skipped(why) => types::Outcome::Skipped(why.clone()),
    };
    types::Check { name: check.name.clone(), outcome, detail: check.detail.clone() }
}

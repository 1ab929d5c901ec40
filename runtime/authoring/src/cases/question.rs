//! From what an author wrote to what a guest is asked, with everything filled in that the author left out.

use super::form::{self, Case, Input, Texts};
use pylon_core::decision::{Candidate, History, MarketView, Offer, QuoteContext, Situation, Terms};
use pylon_core::work::{
    Attribute, Check, CheckOutcome, Evidence, ExecutionTarget, Finish, Output, Route, Usage,
};
use pylon_core::{Digest, InputSource, Job, JobId, MessageId, Msat, Param, PublicKey, UnixTime};
use std::collections::BTreeMap;

const KIND: u16 = 5050;
/// A moment, the same for all.
const CREATED_AT: u64 = 1_700_000_000;
/// A wallet with room for any price.
const MAX_RECEIVABLE_MSAT: u64 = 1_000_000_000;
/// The node's own bounds of a job.
const MAX_OUTPUT_TOKENS: u64 = 4096;
const MAX_WORK_MS: u64 = 300_000;
const VALID_SECONDS: u32 = 600;

/// Named texts in the order of their names.
pub(super) fn params(texts: &BTreeMap<String, Texts>) -> Vec<Param> {
    texts.iter().map(|(name, texts)| Param { name: name.clone(), values: texts.list() }).collect()
}

/// The job of a case. Where nothing says otherwise its kind is `kind`, and its id follows from the case's name.
pub(super) fn job(case: &Case, kind: Option<u16>) -> Result<Job, String> {
    let form = &case.job;
    let digest = |what: &str, said: &Option<String>, default: &str| match said {
        Some(text) => Digest::from_hex(text)
            .ok_or_else(|| format!("`job.{what}` is not 64 lowercase hex digits")),
        None => Ok(Digest::of(default.as_bytes())),
    };
    let id = digest("id", &form.id, &case.name)?;
    let customer = digest("customer", &form.customer, "customer")?;
    let kind = form.kind.or(kind).unwrap_or(KIND);
    if !matches!(kind, 5000..=5999) {
        return Err(format!("`job.kind` is {kind}: the kinds of jobs are 5000 to 5999"));
    }
    Ok(Job {
        id: JobId::from_bytes(*id.as_bytes()),
        kind,
        customer: PublicKey::from_bytes(*customer.as_bytes()),
        created_at: UnixTime::new(form.created_at.unwrap_or(CREATED_AT)),
        inputs: form.inputs.iter().map(input).collect::<Result<_, _>>()?,
        params: params(&form.params),
        output: form.output.clone(),
        bid: form.bid_msat.map(Msat::new),
        targeted: form.targeted.unwrap_or(true),
        confidential: form.confidential,
        expires_at: None,
        origin: String::new(),
    })
}

fn input(input: &Input) -> Result<pylon_core::Input, String> {
    let place = match input {
        Input::Text(text) => {
            return Ok(pylon_core::Input {
                source: InputSource::Text(text.clone()),
                hint: None,
                marker: None,
            });
        }
        Input::Place(place) => place,
    };
    let wrong = |what: &str| format!("an input's `{what}` is not 64 lowercase hex digits");
    let source = match (&place.text, &place.url, &place.event, &place.job) {
        (Some(text), None, None, None) => InputSource::Text(text.clone()),
        (None, Some(url), None, None) => InputSource::Url(url.clone()),
        (None, None, Some(id), None) => {
            InputSource::Event(MessageId::from_hex(id).ok_or_else(|| wrong("event"))?)
        }
        (None, None, None, Some(id)) => {
            InputSource::Job(JobId::from_hex(id).ok_or_else(|| wrong("job"))?)
        }
        _ => return Err("an input has exactly one of `text`, `url`, `event`, `job`".into()),
    };
    Ok(pylon_core::Input { source, hint: None, marker: place.marker.clone() })
}

/// A second after the job was made, on a node with nothing else to do.
pub(super) fn situation(case: &Case, job: &Job) -> Situation {
    let form = case.situation.clone().unwrap_or_default();
    Situation {
        now: form.now.map_or_else(|| job.created_at.plus(1), UnixTime::new),
        queued: form.queued,
        running: form.running,
        capacity: form.capacity.unwrap_or(1),
        extra: params(&form.extra),
    }
}

pub(super) fn route(form: &form::Route) -> Route {
    place(
        form.backend.as_deref(),
        form.model.as_deref(),
        form.isolation.as_deref(),
        form.price_permille,
    )
}

fn place(
    backend: Option<&str>,
    model: Option<&str>,
    isolation: Option<&str>,
    price_permille: Option<u32>,
) -> Route {
    let backend = backend.unwrap_or("backend").to_owned();
    let place = match isolation {
        Some(isolation) => ExecutionTarget::Agent { backend, isolation: isolation.into() },
        None => ExecutionTarget::Model { backend, model: model.unwrap_or("model").into() },
    };
    Route { target: place, price_permille: price_permille.unwrap_or(1000) }
}

/// A stranger, a wallet that can do all terms with msat precision, and no market yet.
pub(super) fn context(case: &Case, job: &Job) -> QuoteContext {
    let form = case.context.clone().unwrap_or_default();
    let every = || vec![Terms::Free, Terms::OnDelivery, Terms::BeforeWork, Terms::Hold];
    QuoteContext {
        route: route(&form.route),
        input_tokens_estimate: form
            .input_tokens_estimate
            .unwrap_or_else(|| Usage::estimate(job.input_bytes())),
        terms: form.terms.unwrap_or_else(every),
        max_receivable: Msat::new(form.max_receivable_msat.unwrap_or(MAX_RECEIVABLE_MSAT)),
        step: Msat::new(form.step_msat.unwrap_or(1)),
        customer: history(&form.customer),
        ours: history(&form.ours),
        market: form.market.as_ref().map(|market| MarketView {
            offers: market.offers,
            low: Msat::new(market.low_msat),
            median: Msat::new(market.median_msat),
            high: Msat::new(market.high_msat),
        }),
    }
}

fn history(form: &form::History) -> History {
    History {
        first_seen: form.first_seen.map(UnixTime::new),
        jobs_completed: form.jobs_completed,
        jobs_unpaid: form.jobs_unpaid,
        paid: Msat::new(form.paid_msat),
        recent_paid: Msat::new(form.recent_paid_msat),
    }
}

/// One candidate if the case names none.
pub(super) fn candidates(case: &Case) -> Vec<Candidate> {
    let forms = case.candidates.clone().unwrap_or_else(|| vec![form::Candidate::default()]);
    let candidate = |form: form::Candidate| Candidate {
        route: place(
            form.backend.as_deref(),
            form.model.as_deref(),
            form.isolation.as_deref(),
            form.price_permille,
        ),
        context_tokens: form.context_tokens,
        in_flight: form.in_flight,
        limit: form.limit.unwrap_or(1),
        queued: form.queued,
        first_output_ms: form.first_output_ms,
        tokens_per_second: form.tokens_per_second,
        failure_permille: form.failure_permille,
        preferred: form.preferred,
    };
    forms.into_iter().map(candidate).collect()
}

pub(super) fn offer(form: &form::Offer) -> Offer {
    Offer {
        terms: form.terms,
        price: Msat::new(form.price_msat),
        cap: Msat::new(form.cap_msat.unwrap_or(form.price_msat)),
        max_output_tokens: form.max_output_tokens.unwrap_or(MAX_OUTPUT_TOKENS),
        max_work_ms: form.max_work_ms.unwrap_or(MAX_WORK_MS),
        valid_seconds: form.valid_seconds.unwrap_or(VALID_SECONDS),
        priority: form.priority,
        note: form.note.clone(),
    }
}

pub(super) fn usage(form: &form::Usage) -> Usage {
    Usage {
        input_tokens: form.input_tokens,
        output_tokens: form.output_tokens,
        cached_tokens: form.cached_tokens,
        estimated: form.estimated,
        work_ms: form.work_ms,
        cpu_ms: form.cpu_ms,
        peak_memory_bytes: form.peak_memory_bytes,
        disk_bytes: form.disk_bytes,
        network_bytes: form.network_bytes,
    }
}

/// A line of plain text if the case has no other.
pub(super) fn output(case: &Case) -> Output {
    let form = case.output.clone().unwrap_or_default();
    let attribute = |(name, value): (String, String)| Attribute { name, value };
    Output {
        content: form.content.unwrap_or_else(|| "An answer.".into()),
        mime: form.mime.unwrap_or_else(|| "text/plain".into()),
        attributes: form.attributes.into_iter().map(attribute).collect(),
    }
}

/// The first attempt, which ended by itself.
pub(super) fn evidence(case: &Case) -> Result<Evidence, String> {
    let form = case.evidence.clone().unwrap_or_default();
    Ok(Evidence {
        finish: form.finish.unwrap_or(Finish::Complete),
        checks: form.checks.iter().map(check).collect::<Result<_, _>>()?,
        usage: usage(&form.usage),
        route: route(&form.route),
        attempt: form.attempt.unwrap_or(1),
    })
}

fn check(form: &form::Check) -> Result<Check, String> {
    let outcome = match (form.passed, form.exit_code, form.count, &form.skipped) {
        (Some(passed), None, None, None) => CheckOutcome::Passed(passed),
        (None, Some(code), None, None) => CheckOutcome::ExitCode(code),
        (None, None, Some(count), None) => CheckOutcome::Count(count),
        (None, None, None, Some(why)) => CheckOutcome::Skipped(why.clone()),
        _ => {
            return Err(format!(
                "the check `{}` has exactly one of `passed`, `exit_code`, `count`, `skipped`",
                form.name
            ));
        }
    };
    Ok(Check { name: form.name.clone(), outcome, detail: form.detail.clone() })
}

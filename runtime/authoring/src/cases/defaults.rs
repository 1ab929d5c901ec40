//! What a guest is asked where its case says nothing: an unknown customer, a wallet that can do
//! everything, and a node with nothing else to do.

use pylon_core::completion::CompletionSummary;
use pylon_core::decision::{Candidate, History, Offer, QuoteContext, Situation, Terms};
use pylon_core::work::{Evidence, ExecutionTarget, Finish, Output, Route, Usage};
use pylon_core::{Digest, Job, JobId, Msat, PublicKey, UnixTime};

const KIND: u16 = 5050;
const CREATED_AT: UnixTime = UnixTime::new(1_700_000_000);
const RECEIVABLE_MAX: Msat = Msat::new(1_000_000_000);
const OUTPUT_TOKENS_MAX: u64 = 4096;
const WORK_MS_MAX: u64 = 300_000;
const VALID_SECONDS: u32 = 600;

/// The job of a case. Its id follows from the name of the case.
pub(super) fn job(case: &str) -> Job {
    Job {
        id: JobId::from_bytes(*Digest::of(case.as_bytes()).as_bytes()),
        kind: KIND,
        customer: PublicKey::from_bytes(*Digest::of(b"customer").as_bytes()),
        created_at: CREATED_AT,
        inputs: Vec::new(),
        params: Vec::new(),
        output: None,
        bid: None,
        targeted: true,
        confidential: false,
        expires_at: None,
        origin: String::new(),
    }
}

/// One second after the job was created.
pub(super) fn situation(job: &Job) -> Situation {
    let now = job.created_at.plus(1);
    Situation { now, queued: 0, running: 0, capacity: 1, extra: Vec::new() }
}

/// One model of one backend.
pub(super) fn route() -> Route {
    let target = ExecutionTarget::Model { backend: "backend".into(), model: "model".into() };
    Route { target, price_permille: 1000 }
}

/// An unknown customer, all terms with msat precision, and no prices of others.
pub(super) fn context(job: &Job) -> QuoteContext {
    QuoteContext {
        route: route(),
        input_tokens_estimate: Usage::estimate(job.input_bytes()),
        terms: vec![Terms::Free, Terms::OnDelivery, Terms::BeforeWork, Terms::Hold],
        max_receivable: RECEIVABLE_MAX,
        step: Msat::new(1),
        customer: History::default(),
        ours: History::default(),
        market: None,
    }
}

/// An idle backend.
pub(super) fn candidate() -> Candidate {
    Candidate {
        route: route(),
        context_tokens: None,
        in_flight: 0,
        limit: 1,
        queued: 0,
        first_output_ms: None,
        tokens_per_second: None,
        failure_permille: 0,
        preferred: false,
    }
}

/// The node's own limits; a case has to set terms and price.
pub(super) fn offer() -> Offer {
    Offer {
        terms: Terms::Free,
        price: Msat::ZERO,
        cap: Msat::ZERO,
        max_output_tokens: OUTPUT_TOKENS_MAX,
        max_work_ms: WORK_MS_MAX,
        valid_seconds: VALID_SECONDS,
        priority: 0,
        note: String::new(),
    }
}

/// One line of plain text.
pub(super) fn output() -> Output {
    let (content, mime) = ("An answer.".into(), "text/plain".into());
    Output { content, mime, attributes: Vec::new() }
}

/// The first attempt, complete.
pub(super) fn evidence() -> Evidence {
    let (checks, usage) = (Vec::new(), Usage::default());
    Evidence { finish: Finish::Complete, checks, usage, route: route(), attempt: 1 }
}

/// A complete answer of the model; its usage is estimated from the texts.
pub(super) fn summary() -> CompletionSummary {
    CompletionSummary {
        length: false,
        model: "model".into(),
        ignored_params: Vec::new(),
        usage: Usage { estimated: true, ..Usage::default() },
    }
}

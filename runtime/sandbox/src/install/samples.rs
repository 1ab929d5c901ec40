//! Inputs that every policy must be able to answer: ordinary ones, and edge cases. The customer is
//! a placeholder.

use pylon_core::decision::{Candidate, History, MarketView, QuoteContext, Situation, Terms};
use pylon_core::work::{
    Check, CheckOutcome, Evidence, ExecutionTarget, Finish, Output, Route, Usage,
};
use pylon_core::{Input, InputSource, Job, Msat, Param, UnixTime};

const NOW: u64 = 1_700_000_000;

pub(super) fn situation() -> Situation {
    Situation { now: UnixTime::new(NOW + 1), queued: 1, running: 1, capacity: 4, extra: Vec::new() }
}

pub(super) fn route() -> Route {
    Route {
        target: ExecutionTarget::Model { backend: "backend".into(), model: "model".into() },
        price_permille: 1000,
    }
}

fn job(kind: u16, bid_msat: Option<u64>, params: &[(&str, &str)]) -> Job {
    let param = |(name, value): &(&str, &str)| Param {
        name: (*name).into(),
        values: vec![(*value).into()],
    };
    Job {
        created_at: UnixTime::new(NOW),
        inputs: vec![Input {
            source: InputSource::Text("A question.".into()),
            marker: None,
            hint: None,
        }],
        params: params.iter().map(param).collect(),
        bid: bid_msat.map(Msat::new),
        ..Job::placeholder(kind)
    }
}

/// Name, job and context of each sample for a pricing policy.
pub(super) fn priced(kind: u16) -> Vec<(&'static str, Job, QuoteContext)> {
    let wallet = [Terms::Free, Terms::OnDelivery, Terms::BeforeWork];
    let every = [Terms::Free, Terms::OnDelivery, Terms::BeforeWork, Terms::Hold];
    let short = [("max_tokens", "64")];
    vec![
        ("a job without a bid", job(kind, None, &short), context(&wallet, 100_000_000, 100)),
        (
            "a job with a high bid",
            job(kind, Some(1_000_000_000), &short),
            context(&every, 100_000_000, 100),
        ),
        (
            "a job with a bid of nothing",
            job(kind, Some(0), &short),
            context(&wallet, 100_000_000, 100),
        ),
        (
            "a job for a node without a wallet",
            job(kind, None, &[]),
            context(&[Terms::Free], 0, 100),
        ),
        (
            "a long job",
            job(kind, Some(50_000), &[("max_tokens", "1000000")]),
            context(&every, 1_000_000, 10_000_000),
        ),
        (
            "an empty job",
            Job { inputs: Vec::new(), ..job(kind, Some(1000), &[]) },
            context(&every, 100_000_000, 0),
        ),
    ]
}

fn context(terms: &[Terms], max_receivable_msat: u64, input_tokens_estimate: u64) -> QuoteContext {
    let known = terms.len() > 3;
    let history = History {
        first_seen: Some(UnixTime::new(NOW - 86_400)),
        jobs_completed: 12,
        jobs_unpaid: 1,
        jobs_paid: Some(10),
        paid: Msat::new(40_000),
        recent_paid: Msat::new(9000),
    };
    let market = MarketView {
        offers: 3,
        low: Msat::new(500),
        median: Msat::new(1500),
        high: Msat::new(9000),
    };
    QuoteContext {
        route: route(),
        input_tokens_estimate,
        terms: terms.to_vec(),
        max_receivable: Msat::new(max_receivable_msat),
        step: Msat::new(if known { 1 } else { 1000 }),
        customer: if known { history } else { History::default() },
        ours: if known { history } else { History::default() },
        market: known.then_some(market),
    }
}

/// Usages to settle.
pub(super) fn usages() -> [Usage; 3] {
    let used = |input_tokens, output_tokens| Usage {
        input_tokens,
        output_tokens,
        work_ms: 1500,
        ..Usage::default()
    };
    [Usage::default(), used(100, 64), used(10_000_000, 1_000_000)]
}

pub(super) fn routed(kind: u16) -> Vec<(&'static str, Job, Vec<Candidate>)> {
    let model = |model: &str, failure_permille, measured: Option<u32>, preferred| Candidate {
        route: Route {
            target: ExecutionTarget::Model { backend: "backend".into(), model: model.into() },
            price_permille: 1000,
        },
        context_tokens: measured.map(|_| 8192),
        in_flight: 1,
        limit: 4,
        queued: 2,
        first_output_ms: measured,
        tokens_per_second: measured,
        failure_permille,
        preferred,
    };
    let three = || {
        vec![
            model("small", 900, Some(50), false),
            model("model", 0, None, true),
            model("large", 10, Some(900), false),
        ]
    };
    vec![
        ("a job with one candidate", job(kind, None, &[]), vec![model("model", 0, None, false)]),
        ("a job with three candidates", job(kind, Some(10_000), &[]), three()),
        ("a job that names its model", job(kind, None, &[("model", "model")]), three()),
    ]
}

pub(super) fn worked(kind: u16) -> Job {
    job(kind, None, &[])
}

pub(super) fn judged(kind: u16) -> Vec<(&'static str, Job, Output, Evidence)> {
    let output = |content: &str| Output {
        content: content.into(),
        mime: "text/plain".into(),
        attributes: Vec::new(),
    };
    let evidence = |finish, passed: Option<bool>| Evidence {
        finish,
        checks: passed
            .map(|passed| Check {
                name: "json-schema".into(),
                outcome: CheckOutcome::Passed(passed),
                detail: String::new(),
            })
            .into_iter()
            .collect(),
        usage: Usage::default(),
        route: route(),
        attempt: 1,
    };
    let job = || job(kind, None, &[]);
    vec![
        ("a short output", job(), output("Yes."), evidence(Finish::Complete, None)),
        (
            "an output that passed its check",
            job(),
            output("An answer of some words."),
            evidence(Finish::Complete, Some(true)),
        ),
        (
            "an output that failed its check",
            job(),
            output("An answer of some words."),
            evidence(Finish::Complete, Some(false)),
        ),
        ("an empty output", job(), output(""), evidence(Finish::Complete, None)),
        ("an output that was cut", job(), output("An answer of"), evidence(Finish::Length, None)),
        ("work that failed", job(), output(""), evidence(Finish::Failed, None)),
    ]
}

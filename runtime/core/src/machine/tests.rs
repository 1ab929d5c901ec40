//! Goal: every transition of a job, in order and out of order. Method: sequences of events from a
//! fresh job with the resulting columns and actions, then random sequences with invariants.

mod payment;
mod plan;
mod properties;
mod restart;
mod review;
mod work;

use super::*;
use crate::decision::{History, Offer, QuoteContext, Terms, Verdict};
use crate::event::DomainEvent;
use crate::job::JobError;
use crate::message::JobStatus;
use crate::payment::Invoice;
use crate::work::{Evidence, ExecutionTarget, Finish, Output, Route, Usage};
use crate::{Input, InputSource, Job, JobId, Msat, PaymentHash, PublicKey, UnixTime};
use Event::{
    Cancelled, Delivered, InvoiceExpired, InvoiceFailed, InvoiceOpen, Invoiced, Restarted,
    Scheduled, Undeliverable,
};
use std::sync::Arc;

const NOW: UnixTime = UnixTime::new(1_000);
const HASH: PaymentHash = PaymentHash::from_bytes([7; 32]);
const PRICE: u64 = 5_000;

fn route(model: &str) -> Route {
    Route {
        target: ExecutionTarget::Model { backend: "b".into(), model: model.into() },
        price_permille: 1000,
    }
}

fn fresh(terms: Terms) -> (JobState, Step) {
    let text = Input { source: InputSource::Text("hello".into()), hint: None, marker: None };
    let job = Job {
        id: JobId::from_bytes([1; 32]),
        customer: PublicKey::from_bytes([2; 32]),
        created_at: NOW,
        inputs: vec![text],
        ..Job::placeholder(5050)
    };
    let context = QuoteContext {
        route: route("first"),
        input_tokens_estimate: 2,
        terms: vec![terms],
        max_receivable: Msat::new(1_000_000),
        step: Msat::new(1),
        customer: History::default(),
        ours: History::default(),
        market: None,
    };
    let offer = Offer {
        terms,
        price: Msat::new(PRICE),
        cap: Msat::new(PRICE),
        max_output_tokens: 10,
        max_work_ms: 1_000,
        valid_seconds: 60,
        priority: 0,
        note: String::new(),
    };
    admit(
        job,
        Plan {
            revision: 1,
            routes: vec![route("first"), route("second")],
            context,
            fallback_offers: vec![offer.clone()],
            offer,
            public: Vec::new(),
        },
        NOW,
    )
}

fn output() -> Output {
    Output { content: "world".into(), mime: "text/plain".into(), attributes: vec![] }
}

fn ran_on(attempt: u32, model: &str, partial_sent: bool) -> Event {
    let usage = Usage { output_tokens: 1, work_ms: 12, ..Usage::default() };
    let evidence =
        Evidence { finish: Finish::Complete, checks: vec![], usage, route: route(model), attempt };
    Event::AttemptFinished { attempt, partial_sent, outcome: Box::new(Ok((output(), evidence))) }
}

fn ran(attempt: u32) -> Event {
    ran_on(attempt, "first", false)
}

fn broke(attempt: u32, error: JobError) -> Event {
    Event::AttemptFinished { attempt, partial_sent: false, outcome: Box::new(Err(error)) }
}

fn no_verdict(attempt: u32) -> Event {
    Event::VerdictMissing { attempt }
}

fn accept(attempt: u32) -> Event {
    Event::Judged { attempt, verdict: Verdict::Accept }
}

fn reject(attempt: u32) -> Event {
    Event::Judged { attempt, verdict: Verdict::Reject("bad".into()) }
}

fn retry(attempt: u32) -> Event {
    Event::Judged { attempt, verdict: Verdict::Retry("empty".into()) }
}

fn amount_due(attempt: u32, due: u64) -> Event {
    Event::AmountDue { attempt, due: Msat::new(due), step: Msat::new(1) }
}

fn invoiced(amount: u64) -> Event {
    Invoiced(Invoice {
        bolt11: "lnbcrt1".into(),
        payment_hash: HASH,
        amount: Msat::new(amount),
        expires_at: NOW.plus(60),
    })
}

fn held(amount: u64) -> Event {
    Event::Held(HASH, Msat::new(amount))
}

fn paid(amount: u64) -> Event {
    Event::Paid(HASH, Msat::new(amount))
}

/// A commit action in a few words.
fn commit_name(action: &CommitAction) -> String {
    match action {
        CommitAction::Enqueue => "enqueue".into(),
        CommitAction::Judge { attempt } => format!("judge {attempt}"),
        CommitAction::SettlePrice { attempt } => format!("settle price {attempt}"),
        CommitAction::SendFeedback(JobStatus::PaymentRequired { .. }) => {
            "feedback payment-required".into()
        }
        CommitAction::SendFeedback(JobStatus::Processing) => "feedback processing".into(),
        CommitAction::SendFeedback(JobStatus::Partial(_)) => "feedback partial".into(),
        CommitAction::SendFeedback(JobStatus::Error(why)) => format!("feedback error: {why}"),
        CommitAction::Deliver => "deliver".into(),
        CommitAction::Earn { amount, source, .. } => format!("earn {source} {}", amount.get()),
    }
}

/// An effect in a few words; `None` for domain events.
fn effect_name(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::FetchInputs => "fetch inputs".into(),
        Effect::Run { attempt, route } => format!("run {attempt} from {route}"),
        Effect::Abort => "abort".into(),
        Effect::CreateInvoice { amount, hold: false } => format!("create invoice {}", amount.get()),
        Effect::CreateInvoice { amount, hold: true } => format!("create hold {}", amount.get()),
        Effect::SettleHold(_) => "settle hold".into(),
        Effect::CancelInvoice(_) => "cancel invoice".into(),
        Effect::EmitEvent(_) => return None,
    })
}

/// The actions of a step: first those within the commit, then its effects.
fn action_names(step: &Step) -> Vec<String> {
    let commit = step.commit.iter().map(commit_name);
    commit.chain(step.effects.iter().filter_map(effect_name)).collect()
}

fn play(terms: Terms, events: Vec<Event>) -> (JobState, Step) {
    let (mut state, mut last) = fresh(terms);
    for event in events {
        last = step(&mut state, event, NOW);
    }
    (state, last)
}

/// Plays the events and compares the columns and the actions of the last step.
fn check(what: &str, terms: Terms, events: Vec<Event>, columns: &str, last: &[&str]) {
    let (state, step) = play(terms, events);
    let found = [
        state.execution.as_str(),
        state.delivery.as_str(),
        state.invoicing.as_str(),
        state.settlement.as_str(),
    ]
    .join(" ");
    assert_eq!(found, columns, "{what}: columns");
    assert_eq!(action_names(&step), last, "{what}: actions");
}

#[test]
fn column_names_round_trip() {
    assert!(Execution::ALL.iter().all(|case| case.as_str().parse() == Ok(*case)));
    assert!(Delivery::ALL.iter().all(|case| case.as_str().parse() == Ok(*case)));
    assert!(Invoicing::ALL.iter().all(|case| case.as_str().parse() == Ok(*case)));
    assert!(Settlement::ALL.iter().all(|case| case.as_str().parse() == Ok(*case)));
    assert!("pending".parse::<Execution>().is_err());
}

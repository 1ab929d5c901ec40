//! A panic ends the job that it happened in, and nothing else.

use pylon_core::InputSource;
use pylon_core::decision::Terms;
use pylon_core::machine::{Delivery, Execution, Failure, JobState, Settlement};
use pylon_core::payment::InvoiceState;
use pylon_core::ports::journal::Journal as _;
use pylon_journal::ReadOnlyJournal;
use pylon_provider::Config;
use pylon_tests::scripted::{At, Does, ScriptedProvider, text};

const ERROR: &str = "error: processing error: internal error of the provider";

fn config() -> Config {
    Config::default()
}

fn has_panicked(state: &JobState) -> bool {
    state.execution == Execution::Failed && state.failure == Some(Failure::Panicked)
}

/// Goal: a job whose attempt, input, verification or invoice panics fails, its customer is told,
/// the worker is free for the next job, and a restart does not repeat it. Method: each of these
/// ports panics, then the same request again without a panic.
#[tokio::test(flavor = "multi_thread")]
async fn job_ends_where_it_panicked() {
    let url = || InputSource::Url("https://example.org/".into());
    for (at, source) in [
        (At::Attempt, text("hello")),
        (At::Fetch, url()),
        (At::Judge, text("hello")),
        (At::Invoice, text("hello")),
    ] {
        let mut provider = ScriptedProvider::start(config()).await;
        provider.offer(if at == At::Invoice { Terms::BeforeWork } else { Terms::Free });
        provider.script(Some((at, Does::Panic)));
        let job = provider.ask(source.clone()).await;
        provider.wait_until(job, has_panicked).await;
        assert_eq!(provider.message(job, "error").await, ERROR, "{at:?}");
        let ended = ReadOnlyJournal::open(&provider.database()).unwrap();
        assert_eq!(ended.panicked_jobs(pylon_core::UnixTime::new(0)).unwrap(), [job], "{at:?}");

        provider.script(None);
        provider.offer(Terms::Free);
        let next = provider.ask(source.clone()).await;
        provider.wait_until(next, |state| state.delivery == Delivery::Delivered).await;
        provider.restart().await;
        let after = provider.ask(source).await;
        provider.wait_until(after, |state| state.delivery == Delivery::Delivered).await;
        assert!(has_panicked(&provider.journal.job(job).unwrap().unwrap()), "{at:?}");
    }
}

/// Goal: what was paid for a job that panicked is owed back, and what is held is returned. Method:
/// a payment before the work, and a held one.
#[tokio::test(flavor = "multi_thread")]
async fn payment_of_a_panicked_job_is_owed_back() {
    for (terms, settlement) in
        [(Terms::BeforeWork, Settlement::RefundDue), (Terms::Hold, Settlement::Cancelled)]
    {
        let mut provider = ScriptedProvider::start(config()).await;
        provider.offer(terms);
        provider.script(Some((At::Attempt, Does::Panic)));
        let job = provider.ask(text("hello")).await;
        provider.pay(job).await;
        let ended = provider.wait_until(job, has_panicked).await;
        assert_eq!(ended.settlement, settlement);
        provider.message(job, ERROR).await;
        if terms == Terms::Hold {
            provider.wait_until(job, JobState::is_closed).await;
            assert_eq!(provider.invoice(&ended).await, InvoiceState::Closed);
        }
        assert!(provider.journal.earnings(1).unwrap().total.is_zero());
    }
}

/// Goal: a request whose admission panics is refused, and is not a duplicate of itself forever.
/// Method: the wallet panics during the admission; the next request is served.
#[tokio::test(flavor = "multi_thread")]
async fn panicking_admission_is_a_refusal() {
    let mut provider = ScriptedProvider::start(config()).await;
    for _ in 0..3 {
        provider.script(Some((At::Capabilities, Does::Panic)));
        let refused = provider.ask(text("hello")).await;
        let error = provider.message(refused, "error").await;
        assert_eq!(error, "error: internal error of the provider");
        assert!(provider.journal.knows(refused).unwrap());
        assert_eq!(provider.journal.job(refused).unwrap(), None);
        provider.script(None);
        let served = provider.ask(text("hello")).await;
        provider.wait_until(served, |state| state.delivery == Delivery::Delivered).await;
    }
}

/// Goal: a job ends even if every message about it panics. Method: signing panics.
#[tokio::test(flavor = "multi_thread")]
async fn job_ends_without_a_message() {
    let mut provider = ScriptedProvider::start(config()).await;
    provider.script(Some((At::Sign, Does::Panic)));
    let job = provider.ask(text("hello")).await;
    let state = provider.wait_until(job, |state| state.delivery == Delivery::Failed).await;
    assert_eq!(state.failure, Some(Failure::Undeliverable));
}

/// Goal: a worker that panics starts again. Method: the market panics once when it is asked for a
/// request, and once when it sends a result.
#[tokio::test(flavor = "multi_thread")]
async fn workers_start_again() {
    let mut provider = ScriptedProvider::start(config()).await;
    for at in [At::Next, At::Send] {
        provider.script(Some((at, Does::PanicOnce)));
        for _ in 0..2 {
            let job = provider.ask(text("hello")).await;
            provider.wait_until(job, |state| state.delivery == Delivery::Delivered).await;
        }
    }
}

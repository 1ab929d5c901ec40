//! The port `Market`: requests arrive once, and messages are signed without being sent and sent
//! until they are acknowledged.

use super::within;
use async_trait::async_trait;
use futures::future::BoxFuture;
use pylon_core::message::{Incoming, JobStatus, Message, ReplyTo, SendOutcome};
use pylon_core::ports::market::Market;
use pylon_core::work::Output;
use pylon_core::{Job, JobId, UnixTime};
use std::sync::Arc;

/// A customer on the other side of the market.
#[async_trait(?Send)]
pub trait MarketCustomer {
    /// Publishes a request of kind 5050 to this provider, twice.
    async fn request(&mut self, text: &str) -> JobId;

    /// Withdraws a request.
    async fn cancel(&mut self, job: JobId);

    /// The next message: the status of feedback, or the content of a result.
    async fn next(&mut self) -> String;
}

/// A market with a customer.
pub struct Fixture {
    /// The adapter.
    pub market: Arc<dyn Market>,
    /// The customer.
    pub customer: Box<dyn MarketCustomer>,
    /// Makes the market unreachable.
    pub disconnect: Box<dyn FnOnce() + Send>,
    /// Closes the adapter.
    pub close: Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>,
}

/// Runs all checks, in the order of one session.
pub async fn check(fixture: Fixture) {
    let Fixture { market, mut customer, disconnect, close } = fixture;
    let job = request_arrives_once(&*market, &mut *customer).await;
    signing_is_pure(&*market, &job);
    sent_messages_reach_the_customer(&*market, &mut *customer, &job).await;
    assert_eq!(market.prices(5050, NOW), None, "no other provider sells here");

    customer.cancel(job.id).await;
    let withdrawn =
        Incoming::Cancel { customer: job.customer, jobs: vec![job.id], targeted: false };
    assert_eq!(within(market.next()).await, Some(withdrawn));

    disconnect();
    let message = market.sign(&processing(&job), NOW.plus(1)).unwrap();
    assert_eq!(within(market.send(&message)).await, SendOutcome::Retry);
    close().await;
    assert_eq!(within(market.next()).await, None);
    assert_eq!(within(market.next_refusal()).await, None);
}

const NOW: UnixTime = UnixTime::new(1_800_000_000);

fn processing(job: &Job) -> Message<'_> {
    Message::Feedback { to: ReplyTo::of(job), status: JobStatus::Processing }
}

async fn next_job(market: &dyn Market) -> Job {
    match within(market.next()).await {
        Some(Incoming::Job(job)) => *job,
        other => panic!("not a job: {other:?}"),
    }
}

/// The next job is the next request, so the first one arrived only once.
async fn request_arrives_once(market: &dyn Market, customer: &mut dyn MarketCustomer) -> Job {
    let first = customer.request("one").await;
    let job = next_job(market).await;
    assert_eq!((job.id, job.kind, job.targeted), (first, 5050, true));
    let second = customer.request("two").await;
    assert_eq!(next_job(market).await.id, second);
    job
}

/// The same message at the same time has the same id. Nothing is sent: see the next check.
fn signing_is_pure(market: &dyn Market, job: &Job) {
    let partial = || Message::Feedback {
        to: ReplyTo::of(job),
        status: JobStatus::Partial("not sent".into()),
    };
    let ids = [NOW, NOW, NOW.plus(1)].map(|now| market.sign(&partial(), now).unwrap().id);
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

/// Feedback, then a result that is sent twice, as after a crash.
async fn sent_messages_reach_the_customer(
    market: &dyn Market,
    customer: &mut dyn MarketCustomer,
    job: &Job,
) {
    let feedback = market.sign(&processing(job), NOW).unwrap();
    assert_eq!(within(market.send(&feedback)).await, SendOutcome::Delivered);
    assert_eq!(within(customer.next()).await, "processing");
    let output = Output { content: "hello".into(), ..Output::default() };
    market.check(job, &output).unwrap();
    let result = Message::Result { job, output: &output, due: None, guests: &[] };
    let result = market.sign(&result, NOW).unwrap();
    for _ in 0..2 {
        assert_eq!(within(market.send(&result)).await, SendOutcome::Delivered);
    }
    assert_eq!(within(customer.next()).await, "hello");
}

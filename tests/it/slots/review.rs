//! Results that verification cannot judge wait for the operator.

use super::{audit, file, guest, install};
use pylon_core::JobId;
use pylon_core::machine::{Delivery, Execution, Settlement};
use pylon_tests::market::{Customer, MarketOptions, TestMarket, text};
use std::time::Duration;

async fn market(pricing: &'static [(&'static str, &'static str)]) -> (TestMarket, Customer, JobId) {
    let market = TestMarket::start(MarketOptions { pricing, ..MarketOptions::default() }).await;
    let path = file(market.folder.path(), "hostile_verification");
    market.node().change(&install("verification", guest(path, &[]))).await.unwrap();
    let mut customer = market.customer().await;
    let job = customer.ask(vec![text("please break")]).await;
    if !pricing.is_empty() {
        let (_, bolt11) = customer.feedback(job, "payment-required").await.due.unwrap();
        market.bank.pay(&bolt11.unwrap()).unwrap();
    }
    market.wait_until(job, |state| state.delivery == Delivery::InReview).await;
    (market, customer, job)
}

/// Goal: a result in review is sent and paid like any other once the operator accepts it, also
/// after a restart. Method: accept it, twice.
#[tokio::test(flavor = "multi_thread")]
async fn accepted_result_is_sent_and_paid() {
    let (mut market, mut customer, job) = market(&[]).await;
    market.stop_node(Duration::ZERO).await;
    market.start_node().await;
    market
        .wait_until(job, |state| {
            state.delivery == Delivery::InReview && state.execution == Execution::Processing
        })
        .await;
    market.node().review(job, true).await.unwrap();
    let result = customer.result(job).await;
    assert_eq!(result.content, "please break");
    let slots: Vec<_> = result.guests.iter().map(|guest| guest.slot.as_str()).collect();
    assert_eq!(slots, ["routing", "pricing", "handler", "verification"], "as before the restart");
    market.bank.pay(&result.due.unwrap().1.unwrap()).unwrap();
    market
        .wait_until(job, |state| {
            state.settlement == Settlement::Paid && state.delivery == Delivery::Delivered
        })
        .await;
    assert_eq!(market.stub.requests(), 1, "nothing was done twice");
    assert_eq!(audit(&market, 1), ["accept verification:5050 done"]);
    let again = market.node().review(job, true).await.unwrap_err().to_string();
    assert!(again.contains("no result in review"), "{again}");
}

/// Goal: a rejected result is never charged. Method: a prepaid job and one with a hold invoice.
#[tokio::test(flavor = "multi_thread")]
async fn rejected_result_is_never_charged() {
    for (terms, settlement) in
        [("before-work", Settlement::RefundDue), ("hold", Settlement::Cancelled)]
    {
        let pricing: &'static [(&str, &str)] =
            if terms == "hold" { &[("terms", "hold")] } else { &[("terms", "before-work")] };
        let (market, mut customer, job) = market(pricing).await;
        market.node().review(job, false).await.unwrap();
        assert!(customer.feedback(job, "error").await.message.contains("by the operator"));
        let state = market.wait_until(job, |state| state.execution == Execution::Failed).await;
        assert_eq!((state.settlement, state.delivery), (settlement, Delivery::None), "{terms}");
    }
}

/// Goal: of two decisions on one result the first counts, and only it is recorded. Method: both at
/// once, and a decision on a job that its customer has cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn first_review_decision_counts() {
    let (market, mut customer, job) = market(&[]).await;
    let (one, other) =
        tokio::join!(market.node().review(job, true), market.node().review(job, false));
    assert!(one.is_ok() && other.is_err(), "{one:?} {other:?}");
    customer.result(job).await;
    assert_eq!(audit(&market, 2), ["accept verification:5050 done", "install verification done"]);
    let next = customer.ask(vec![text("please break again")]).await;
    market.wait_until(next, |state| state.delivery == Delivery::InReview).await;
    customer.buyer.cancel(next, 5050).await.unwrap();
    market.wait_until(next, |state| state.execution == Execution::Cancelled).await;
    assert!(market.node().review(next, true).await.is_err());
    assert_eq!(audit(&market, 1), ["accept verification:5050 done"]);
}

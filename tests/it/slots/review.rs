//! What verification cannot judge waits for the operator.

use super::{audit, file, guest, install};
use pylon_core::JobId;
use pylon_core::machine::{Delivery, Execution, Settlement};
use pylon_tests::stage::{Customer, Set, Stage, text};
use std::time::Duration;

async fn stage(pricing: &'static [(&'static str, &'static str)]) -> (Stage, Customer, JobId) {
    let stage = Stage::set(Set { pricing, ..Set::default() }).await;
    let path = file(stage.folder.path(), "hostile_verification");
    stage.node().change(&install("verification", guest(path, &[]))).await.unwrap();
    let mut customer = stage.customer().await;
    let job = customer.ask(vec![text("please break")]).await;
    if !pricing.is_empty() {
        let (_, bolt11) = customer.feedback(job, "payment-required").await.due.unwrap();
        stage.bank.pay(&bolt11.unwrap()).unwrap();
    }
    stage.until(job, |state| state.delivery == Delivery::InReview).await;
    (stage, customer, job)
}

/// Goal: a result that waits is sent and paid as any other when the operator says so, also after a restart. Method: release it, twice.
#[tokio::test(flavor = "multi_thread")]
async fn released() {
    let (mut stage, mut customer, job) = stage(&[]).await;
    stage.stop(Duration::ZERO).await;
    stage.start().await;
    stage
        .until(job, |state| {
            state.delivery == Delivery::InReview && state.execution == Execution::Processing
        })
        .await;
    stage.node().review(job, true).await.unwrap();
    let result = customer.result(job).await;
    assert_eq!(result.content, "please break");
    let slots: Vec<_> = result.guests.iter().map(|guest| guest.slot.as_str()).collect();
    assert_eq!(slots, ["routing", "pricing", "handler", "verification"], "as before the restart");
    stage.bank.pay(&result.due.unwrap().1.unwrap()).unwrap();
    stage
        .until(job, |state| {
            state.settlement == Settlement::Paid && state.delivery == Delivery::Delivered
        })
        .await;
    assert_eq!(stage.stub.asked(), 1, "nothing was done twice");
    assert_eq!(audit(&stage, 1), ["release verification:5050 done"]);
    let again = stage.node().review(job, true).await.unwrap_err().to_string();
    assert!(again.contains("no result that waits"), "{again}");
}

/// Goal: what is rejected is never charged. Method: a prepaid job and a held one.
#[tokio::test(flavor = "multi_thread")]
async fn rejected() {
    for (terms, settlement) in
        [("before-work", Settlement::RefundDue), ("hold", Settlement::Cancelled)]
    {
        let pricing: &'static [(&str, &str)] =
            if terms == "hold" { &[("terms", "hold")] } else { &[("terms", "before-work")] };
        let (stage, mut customer, job) = stage(pricing).await;
        stage.node().review(job, false).await.unwrap();
        assert!(customer.feedback(job, "error").await.message.contains("by the operator"));
        let state = stage.until(job, |state| state.execution == Execution::Failed).await;
        assert_eq!((state.settlement, state.delivery), (settlement, Delivery::None), "{terms}");
    }
}

/// Goal: of two words on one result the first holds, and only it is written down. Method: both at once, and a word on what its customer has withdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_word_holds() {
    let (stage, mut customer, job) = stage(&[]).await;
    let (one, other) =
        tokio::join!(stage.node().review(job, true), stage.node().review(job, false));
    assert!(one.is_ok() && other.is_err(), "{one:?} {other:?}");
    customer.result(job).await;
    assert_eq!(audit(&stage, 2), ["release verification:5050 done", "install verification done"]);
    let next = customer.ask(vec![text("please break again")]).await;
    stage.until(next, |state| state.delivery == Delivery::InReview).await;
    customer.buyer.cancel(next, 5050).await.unwrap();
    stage.until(next, |state| state.execution == Execution::Cancelled).await;
    assert!(stage.node().review(next, true).await.is_err());
    assert_eq!(audit(&stage, 1), ["release verification:5050 done"]);
}

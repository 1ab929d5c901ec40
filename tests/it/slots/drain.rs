//! Jobs of replaced guests have some time left.

use super::{guest, install};
use pylon_core::machine::{Execution, Settlement};
use pylon_tests::stage::{Set, Stage, text};
use pylon_tests::stub::Script;
use std::time::Duration;

/// Goal: what still needs replaced guests after its time ends with an error, and what was paid is owed back; other jobs go on. Method: no time at all;
/// a prepaid job at work, a change that is none for it, then its pricing is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_do_not_hold_old_guests_for_ever() {
    let mut stage = Stage::set(Set {
        script: Script::Wait,
        pricing: &[("terms", "before-work")],
        ..Set::default()
    })
    .await;
    stage.stop(Duration::ZERO).await;
    stage.config.slots.guest_drain_seconds = 0;
    stage.start().await;
    let mut customer = stage.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    let (_, bolt11) = customer.feedback(job, "payment-required").await.due.unwrap();
    stage.bank.pay(&bolt11.unwrap()).unwrap();
    stage.until(job, |state| state.execution == Execution::Processing).await;
    stage.node().change(&install("pricing:5932", guest("token_pricing", &[]))).await.unwrap();
    let free = guest("token_pricing", &[("terms", "free")]);
    stage.node().change(&install("pricing", free)).await.unwrap();
    let error = customer.feedback(job, "error").await;
    assert!(error.message.contains("ask again"), "{}", error.message);
    let state = stage.until(job, |state| state.execution == Execution::Failed).await;
    assert_eq!(
        (state.settlement, state.paid > pylon_core::Msat::ZERO),
        (Settlement::RefundDue, true)
    );
    let next = customer.ask(vec![text("again")]).await;
    stage.stub.release();
    stage.stub.release();
    assert_eq!(customer.result(next).await.content, "again");
}

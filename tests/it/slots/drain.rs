//! Jobs of replaced guests end within the drain time.

use super::{guest, install};
use pylon_core::machine::{Execution, Settlement};
use pylon_tests::market::{MarketOptions, TestMarket, text};
use pylon_tests::stub::Script;
use std::time::Duration;

/// Goal: a job that needs replaced guests ends with an error after the drain time, and a prepayment
/// is owed back; other jobs continue. Method: a drain time of zero; a running prepaid job, a change
/// that does not affect it, then its pricing is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn replaced_guests_are_drained() {
    let mut market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        pricing: &[("terms", "before-work")],
        ..MarketOptions::default()
    })
    .await;
    market.stop_node(Duration::ZERO).await;
    market.config.slots.guest_drain_seconds = 0;
    market.start_node().await;
    let mut customer = market.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    let (_, bolt11) = customer.feedback(job, "payment-required").await.due.unwrap();
    market.bank.pay(&bolt11.unwrap()).unwrap();
    market.wait_until(job, |state| state.execution == Execution::Processing).await;
    market.node().change(&install("pricing:5932", guest("token_pricing", &[]))).await.unwrap();
    let free = guest("token_pricing", &[("terms", "free")]);
    market.node().change(&install("pricing", free)).await.unwrap();
    let error = customer.feedback(job, "error").await;
    assert!(error.message.contains("please resubmit"), "{}", error.message);
    let state = market.wait_until(job, |state| state.execution == Execution::Failed).await;
    assert_eq!(
        (state.settlement, state.paid > pylon_core::Msat::ZERO),
        (Settlement::RefundDue, true)
    );
    let next = customer.ask(vec![text("again")]).await;
    market.stub.release();
    market.stub.release();
    assert_eq!(customer.result(next).await.content, "again");
}

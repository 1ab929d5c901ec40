//! A result that is not handed over is not charged, and its customer is no debtor.

use pylon_core::PublicKey;
use pylon_core::decision::Terms;
use pylon_core::machine::{Delivery, Execution, Failure, Invoicing, JobState, Settlement};
use pylon_core::payment::InvoiceState;
use pylon_core::ports::clock::Clock as _;
use pylon_core::ports::journal::Journal as _;
use pylon_node::clock::SystemClock;
use pylon_provider::Config;
use pylon_tests::scripted::{At, Does, PRICE, ScriptedProvider, text};

/// A result is sent for a week.
const RESULT_LIFETIME_SECONDS: u64 = 7 * 24 * 3600;

/// Goal: whenever the last step fails, the steps before it are undone: the invoice is cancelled or
/// the payment is owed back, the customer is told, and counts as no debtor. Method: a result that
/// cannot be signed, and one that all relays refuse, and one that expires, with each kind
/// of payment.
#[tokio::test(flavor = "multi_thread")]
async fn undeliverable_result_is_not_charged() {
    for (at, does) in [(At::SignResult, Does::Fail), (At::Send, Does::Fail), (At::Send, Does::Wait)]
    {
        for (terms, settlement) in [
            (Terms::Free, Settlement::None),
            (Terms::OnDelivery, Settlement::Cancelled),
            (Terms::BeforeWork, Settlement::RefundDue),
            (Terms::Hold, Settlement::RefundDue),
        ] {
            let what = format!("{at:?} {does:?} {terms:?}");
            let mut provider = ScriptedProvider::start(Config::default()).await;
            provider.offer(terms);
            provider.script(Some((at, does)));
            let job = provider.ask(text("hello")).await;
            if matches!(terms, Terms::BeforeWork | Terms::Hold) {
                provider.pay(job).await;
            }
            if does == Does::Wait {
                provider.wait_until(job, |state| state.delivery == Delivery::Queued).await;
                provider.advance(RESULT_LIFETIME_SECONDS + 1);
            }
            let error = provider.message(job, "error").await;
            assert_eq!(error, "error: processing error: the result cannot be delivered", "{what}");
            let state = provider.wait_until(job, JobState::is_closed).await;
            assert_eq!(
                (state.execution, state.delivery, state.settlement),
                (Execution::Completed, Delivery::Failed, settlement),
                "{what}"
            );
            assert_eq!(state.failure, Some(Failure::Undeliverable), "{what}");
            if terms == Terms::OnDelivery {
                assert_eq!(state.invoicing, Invoicing::Cancelled, "{what}");
                assert_eq!(provider.invoice(&state).await, InvoiceState::Closed, "{what}");
            }
            let earnings = provider.journal.earnings(9).unwrap();
            assert!(earnings.total.is_zero() && earnings.recent.is_empty(), "{what}");
            let owed = settlement == Settlement::RefundDue;
            assert_eq!(earnings.refund_due == PRICE, owed, "{what}");
            let customer = PublicKey::from_bytes([9; 32]);
            let history = provider.journal.customer_history(customer, SystemClock.now()).unwrap();
            assert_eq!(history.jobs_unpaid, 0, "{what}");
        }
    }
}

/// Goal: a prepaid result is earned when it is delivered. Method: payment before the work.
#[tokio::test(flavor = "multi_thread")]
async fn prepayment_is_earned_on_delivery() {
    for terms in [Terms::BeforeWork, Terms::Hold] {
        let mut provider = ScriptedProvider::start(Config::default()).await;
        provider.offer(terms);
        let job = provider.ask(text("hello")).await;
        provider.pay(job).await;
        provider.wait_until(job, |state| state.delivery == Delivery::Delivered).await;
        assert_eq!(provider.journal.earnings(1).unwrap().total, PRICE);
    }
}

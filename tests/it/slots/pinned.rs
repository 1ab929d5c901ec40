//! A job keeps the guest set that it was admitted with.

use super::{audit, file, guest, install, serving};
use pylon_core::Msat;
use pylon_core::machine::{Execution, Settlement};
use pylon_core::slots::SlotChange;
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT, TestMarket, text};
use pylon_tests::stub::Script;
use std::collections::VecDeque;
use std::time::Duration;

const CHEAP: &[(&str, &str)] =
    &[("base-msat", "1000"), ("input-per-1k-msat", "0"), ("output-per-1k-msat", "0")];
const DEAR: &[(&str, &str)] =
    &[("base-msat", "9000"), ("input-per-1k-msat", "0"), ("output-per-1k-msat", "0")];

/// Goal: an offer is settled by the guest that made it, while the node runs and after a restart.
/// Method: a job under a cheap pricing, then an expensive one, then a restart; each is invoiced at
/// its own price.
#[tokio::test(flavor = "multi_thread")]
async fn offer_is_settled_by_the_guest_that_made_it() {
    let mut market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        pricing: CHEAP,
        ..MarketOptions::default()
    })
    .await;
    let mut customer = market.customer().await;
    let cheap = customer.ask(vec![text("cheap")]).await;
    market.wait_until(cheap, |state| state.execution == Execution::Processing).await;
    let status =
        market.node().change(&install("pricing", guest("token_pricing", DEAR))).await.unwrap();
    assert_eq!(status.revision, Some(market.job(cheap).unwrap().plan.revision + 1));
    let dear = customer.ask(vec![text("dear")]).await;
    market.wait_until(dear, |state| state.execution == Execution::Received).await;
    market.stop_node(Duration::ZERO).await;
    for _ in 0..4 {
        market.stub.release();
    }
    market.start_node().await;
    assert_eq!(
        serving(&market, "pricing").await.settings.get("base-msat").map(String::as_str),
        Some("9000")
    );
    for (job, msat) in [(cheap, 1000), (dear, 9000)] {
        let result = customer.result(job).await;
        assert_eq!(result.due.map(|(amount, _)| amount.get()), Some(msat), "{}", result.content);
    }
}

/// Goal: a result names the guests that took part, whatever happened to the node meanwhile. Method:
/// under two terms a job that a restart interrupts, running or not paid yet, and then one that
/// nothing interrupts.
#[tokio::test(flavor = "multi_thread")]
async fn restart_keeps_the_guests_of_a_job() {
    for terms in ["on-delivery", "before-work"] {
        let pricing: &'static [(&str, &str)] =
            if terms == "before-work" { &[("terms", "before-work")] } else { CHEAP };
        let mut market = TestMarket::start(MarketOptions {
            script: Script::Wait,
            pricing,
            ..MarketOptions::default()
        })
        .await;
        let mut customer = market.customer().await;
        let mut named = Vec::new();
        for interrupted in [true, false] {
            let job = customer.ask(vec![text(if interrupted { "one" } else { "other" })]).await;
            let invoice = match terms {
                "before-work" => customer.feedback(job, "payment-required").await.due.unwrap().1,
                _ => None,
            };
            if interrupted {
                let waits = [Execution::Processing, Execution::AwaitingPayment]
                    [usize::from(invoice.is_some())];
                market.wait_until(job, |state| state.execution == waits).await;
                market.stop_node(Duration::ZERO).await;
                (0..4).for_each(|_| market.stub.release());
                market.start_node().await;
            }
            if let Some(bolt11) = invoice {
                market.bank.pay(&bolt11).unwrap();
            }
            named.push(customer.result(job).await.guests);
        }
        let slots: Vec<_> = named[1].iter().map(|guest| guest.slot.as_str()).collect();
        assert_eq!(slots, ["routing", "pricing", "handler", "verification"], "{terms}");
        assert_eq!(named[0], named[1], "{terms}");
    }
}

/// Goal: no other guest replaces one that is unavailable: jobs that still need it end, and
/// prepayments are owed back; others continue. Method: two paid jobs of older revisions; the
/// component of the first one's verification is removed, and the node starts again.
#[tokio::test(flavor = "multi_thread")]
async fn job_ends_if_a_guest_it_needs_is_unavailable() {
    let mut market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        pricing: &[("terms", "before-work")],
        ..MarketOptions::default()
    })
    .await;
    let path = file(market.folder.path(), "hostile_verification");
    let status = market.node().change(&install("verification", guest(path, &[]))).await.unwrap();
    let mut customer = market.customer().await;
    let mut paid = async |words: &str| {
        let job = customer.ask(vec![text(words)]).await;
        let (_, bolt11) = customer.feedback(job, "payment-required").await.due.unwrap();
        market.bank.pay(&bolt11.unwrap()).unwrap();
        market.wait_until(job, |state| state.settlement == Settlement::Paid).await;
        job
    };
    let orphan = paid("orphan").await;
    market.node().change(&install("verification", guest("basic_verification", &[]))).await.unwrap();
    let kept = paid("kept").await;
    market.node().change(&install("routing", guest("preferred_routing", &[]))).await.unwrap();
    market.stop_node(Duration::ZERO).await;
    let store = market.folder.path().join(".openagents/pylon/guests");
    std::fs::remove_file(store.join(format!("{}.wasm", status.digest))).unwrap();
    for _ in 0..4 {
        market.stub.release();
    }
    market.start_node().await;
    let error = customer.feedback(orphan, "error").await;
    assert!(error.message.contains("please resubmit"), "{}", error.message);
    let state = market.wait_until(orphan, |state| state.execution == Execution::Failed).await;
    assert_eq!((state.settlement, state.paid > Msat::ZERO), (Settlement::RefundDue, true));
    assert_eq!(customer.result(kept).await.content, "kept");
    assert!(market.job(kept).unwrap().plan.revision > state.plan.revision);
    let unavailable = SlotChange::Rollback { slot: "verification".into(), to: status.revision };
    assert_eq!(market.node().change(&unavailable).await.unwrap_err().code, "unavailable");
    assert_eq!(audit(&market, 1), ["rollback verification unavailable"]);
    market.stop_node(TEST_TIMEOUT).await;
}

/// Goal: a job continues without its routing guest, because its routes are planned. Method: a
/// running job under a routing that is then replaced, and removed, over a restart.
#[tokio::test(flavor = "multi_thread")]
async fn job_continues_without_its_routing_guest() {
    let mut market =
        TestMarket::start(MarketOptions { script: Script::Wait, ..MarketOptions::default() }).await;
    let path = file(market.folder.path(), "hostile_routing");
    let status = market.node().change(&install("routing", guest(path, &[]))).await.unwrap();
    let mut customer = market.customer().await;
    let job = customer.ask(vec![text("planned")]).await;
    market.wait_until(job, |state| state.execution == Execution::Processing).await;
    market.node().change(&install("routing", guest("preferred_routing", &[]))).await.unwrap();
    market.stop_node(Duration::ZERO).await;
    let store = market.folder.path().join(".openagents/pylon/guests");
    std::fs::remove_file(store.join(format!("{}.wasm", status.digest))).unwrap();
    (0..2).for_each(|_| market.stub.release());
    market.start_node().await;
    let result = customer.result(job).await;
    assert_eq!((result.content.as_str(), result.guests[0].digest), ("planned", status.digest));
}

/// Goal: a swap loses no job and mixes no guests. Method: jobs while two pricings take turns, never
/// more at once than one customer may have; each is answered, and all its decisions are by one
/// revision, at that one's price.
#[tokio::test(flavor = "multi_thread")]
async fn swaps_under_load_lose_no_job() {
    const OPEN_MAX: usize = 8;
    let market =
        TestMarket::start(MarketOptions { pricing: CHEAP, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    let (mut open, mut answered) = (VecDeque::new(), Vec::new());
    for number in 0..40 + OPEN_MAX {
        if number >= OPEN_MAX {
            let job = open.pop_front().unwrap();
            answered.push((job, customer.result(job).await.due.unwrap().0.get()));
        }
        if number < 40 {
            open.push_back(customer.ask(vec![text(&format!("job {number}"))]).await);
            let settings = if number % 2 == 0 { DEAR } else { CHEAP };
            market
                .node()
                .change(&install("pricing", guest("token_pricing", settings)))
                .await
                .unwrap();
        }
    }
    let journal = pylon_journal::ReadOnlyJournal::open(
        &market.folder.path().join(".openagents/pylon/pylon.db"),
    )
    .unwrap();
    let history = journal.installations().unwrap();
    for (job, due) in answered {
        let kept = market.job(job).unwrap().plan.revision;
        let row =
            history.iter().rfind(|row| row.slot == "pricing" && row.revision <= kept).unwrap();
        assert_eq!(due.to_string(), row.guest.as_ref().unwrap().settings["base-msat"]);
    }
    let outside =
        rusqlite::Connection::open(market.folder.path().join(".openagents/pylon/pylon.db"))
            .unwrap();
    let mixed = "SELECT count(*) FROM (SELECT job_id FROM decisions GROUP BY job_id \
                 HAVING count(DISTINCT revision) > 1)";
    assert_eq!(outside.query_row(mixed, [], |row| row.get::<_, u32>(0)).unwrap(), 0);
}

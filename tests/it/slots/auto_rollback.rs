//! Automatic rollback of a guest that keeps failing.

use super::install_steps::{NOW, OfflineSlots, release, sidecar};
use super::{audit, file, guest, install, serving, until};
use crate::component;
use nostr_sdk::prelude::Keys;
use pylon_core::Digest;
use pylon_core::ports::installations::Installations;
use pylon_core::slots::SlotChange;
use pylon_slots::Config;
use pylon_slots::FaultAlert;
use pylon_tests::market::{Customer, MarketOptions, TestMarket, bid, text};

async fn trap(customer: &mut Customer, words: &str, times: usize) {
    for number in 0..times {
        let job = customer.ask(vec![text(&format!("{words} {number}")), bid(13_000)]).await;
        assert!(
            customer.feedback(job, "error").await.message.contains("busy"),
            "without a price nothing is sold"
        );
    }
}

/// Goal: after five faults a guest is rolled back automatically, each time it is installed. Method:
/// a pricing that traps at one bid, twice.
#[tokio::test(flavor = "multi_thread")]
async fn failing_guest_is_rolled_back() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    let bad = || guest(market.folder.path().join("hostile_pricing.wasm"), &[("do", "unlucky")]);
    file(market.folder.path(), "hostile_pricing");
    market.node().change(&install("pricing", bad())).await.unwrap();
    trap(&mut customer, "first", 4).await;
    until(&market, "counted", async || serving(&market, "pricing").await.stats.unwrap().traps == 4)
        .await;
    trap(&mut customer, "fifth", 1).await;
    until(&market, "taken out", async || serving(&market, "pricing").await.name == "token_pricing")
        .await;
    assert_eq!(audit(&market, 2), ["rollback pricing done", "install pricing done"]);
    let job = customer.ask(vec![text("hello"), bid(13_000)]).await;
    assert_eq!(customer.result(job).await.content, "hello");
    assert!(serving(&market, "pricing").await.stats.unwrap().calls < 5, "counted from zero");
    market.node().change(&install("pricing", bad())).await.unwrap();
    trap(&mut customer, "again", 5).await;
    until(&market, "taken out again", async || {
        serving(&market, "pricing").await.name == "token_pricing"
    })
    .await;
}

/// Goal: a kind whose only policy fails falls back to the default policy. Method: a pricing of one
/// kind that traps, without predecessor.
#[tokio::test(flavor = "multi_thread")]
async fn failing_policy_of_a_kind_falls_back_to_the_default() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    let path = file(market.folder.path(), "hostile_pricing");
    market
        .node()
        .change(&install("pricing:5050", guest(path, &[("do", "unlucky")])))
        .await
        .unwrap();
    trap(&mut customer, "hello", 5).await;
    until(&market, "taken out", async || audit(&market, 1) == ["remove pricing:5050 done"]).await;
    let job = customer.ask(vec![text("hello"), bid(13_000)]).await;
    assert_eq!(customer.result(job).await.content, "hello");
}

/// Goal: without a predecessor the guest stays and that is reported, until the operator acts.
/// Method: the only handler of a kind traps, and is then removed.
#[tokio::test(flavor = "multi_thread")]
async fn failing_guest_without_a_predecessor_stays() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    let path = file(market.folder.path(), "hostile_handler");
    market.node().change(&install("handler:5999", guest(path, &[("do", "panic")]))).await.unwrap();
    for number in 0..5 {
        let job = customer.broadcast(5999, vec![text(&format!("hello {number}"))]).await;
        customer.feedback(job, "error").await;
    }
    until(&market, "recorded", async || audit(&market, 1) == ["rollback handler:5999 no_target"])
        .await;
    assert_eq!(serving(&market, "handler:5999").await.name, "hostile-handler");
    let removed = market
        .node()
        .change(&SlotChange::Rollback { slot: "handler:5999".into(), to: Some(1) })
        .await
        .unwrap();
    assert_eq!((removed.name.as_str(), removed.role.as_str()), ("hostile-handler", "removed"));
    assert_eq!(market.node().status().kinds(), [5050]);
}

/// Goal: a guest of the first start has no predecessor, and the message says what can be done.
/// Method: a pricing and a handler on a home without history; both are rolled back, by command and
/// automatically.
#[tokio::test(flavor = "multi_thread")]
async fn configured_guest_of_a_new_node_has_no_predecessor() {
    let offline = OfflineSlots::open(&Config::default());
    let back =
        async |slot: &str, to| offline.apply(SlotChange::Rollback { slot: slot.into(), to }).await;
    assert!(back("pricing", None).await.unwrap_err().message.contains("has never had a guest"));
    offline
        .apply(install("pricing", guest(offline.file(component("hostile_pricing")), &[])))
        .await
        .unwrap();
    offline
        .apply(install("handler:5999", guest(offline.file(component("probe")), &[])))
        .await
        .unwrap();
    for (slot, to_do) in [
        ("pricing", "`pylon guest install token_pricing --slot pricing`"),
        ("handler:5999", "`pylon guest rollback handler:5999 --to 1` empties it"),
    ] {
        let failure = back(slot, None).await.unwrap_err();
        assert!(failure.code == "no_target" && failure.message.contains(to_do), "{failure:?}");
    }
    assert_eq!(back("pricing", Some(0)).await.unwrap_err().code, "no_target");
    let slot = "pricing".parse().unwrap();
    offline.manager.roll_back(FaultAlert { slot, revision: 1 }, &offline.journal, NOW).await;
    let row = offline.journal.audit(1).unwrap().remove(0);
    assert_eq!((row.action.as_str(), row.outcome.as_str()), ("rollback", "no_target"));
    assert!(row.detail.contains("stays") && row.detail.contains("token_pricing"), "{}", row.detail);
    assert_eq!(back("handler:5999", Some(0)).await.unwrap().role, "removed");
    assert_eq!(offline.journal.installations().unwrap().len(), 3);
}

/// Goal: a rollback that is not possible is reported once, not at every fifth fault. Method: the
/// only handler of a kind traps again and again.
#[tokio::test(flavor = "multi_thread")]
async fn impossible_rollback_is_reported_once() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    let path = file(market.folder.path(), "hostile_handler");
    market.node().change(&install("handler:5999", guest(path, &[("do", "panic")]))).await.unwrap();
    for number in 0..15 {
        let job = customer.broadcast(5999, vec![text(&format!("hello {number}"))]).await;
        customer.feedback(job, "error").await;
    }
    until(&market, "counted", async || {
        serving(&market, "handler:5999").await.stats.unwrap().traps == 15
    })
    .await;
    // Alerts are handled one after the other, and before this change.
    market.node().change(&install("pricing:5051", guest("token_pricing", &[]))).await.unwrap();
    assert_eq!(
        audit(&market, 3),
        [
            "install pricing:5051 done",
            "rollback handler:5999 no_target",
            "install handler:5999 done"
        ]
    );
}

/// Goal: an alert is about the guest that failed and no other. Method: one that arrives when
/// another guest serves already.
#[tokio::test(flavor = "multi_thread")]
async fn late_alert_does_not_affect_the_next_guest() {
    let offline = OfflineSlots::open(&Config::default());
    let bad = guest(offline.file(component("hostile_pricing")), &[("do", "unlucky")]);
    offline.apply(install("pricing", bad)).await.unwrap();
    offline.apply(install("pricing", guest("token_pricing", &[]))).await.unwrap();
    let slot = "pricing".parse().unwrap();
    offline.manager.roll_back(FaultAlert { slot, revision: 1 }, &offline.journal, NOW).await;
    assert_eq!(offline.journal.installations().unwrap().len(), 2);
    offline.manager.roll_back(FaultAlert { slot, revision: 2 }, &offline.journal, NOW).await;
    assert_eq!(offline.journal.installations().unwrap()[2].cause, "faults");
}

/// Installs a guest whose component is then removed, and after it a failing one; returns an alert
/// about that one.
async fn alert_after_an_unavailable_guest(
    offline: &OfflineSlots,
    slot: &str,
    unavailable: &str,
    bad: &str,
) -> FaultAlert {
    let status = offline
        .apply(install(slot, guest(offline.file(component(unavailable)), &[])))
        .await
        .unwrap();
    let kept =
        offline.folder.path().join(format!(".openagents/pylon/guests/{}.wasm", status.digest));
    std::fs::remove_file(kept).unwrap();
    let status = offline.apply(install(slot, guest(offline.file(component(bad)), &[]))).await;
    let status = match status {
        Err(_) => {
            offline.apply(SlotChange::Approve { slot: slot.into(), digest: None }).await.unwrap()
        }
        Ok(status) => status,
    };
    FaultAlert { slot: slot.parse().unwrap(), revision: status.revision.unwrap() }
}

fn audit_rows(offline: &OfflineSlots, limit: usize) -> Vec<String> {
    let rows = offline.journal.audit(limit).unwrap();
    rows.into_iter()
        .map(|row| {
            format!("{} {} {}", row.action, row.guest.split(' ').next().unwrap(), row.outcome)
        })
        .collect()
}

/// Goal: an unavailable predecessor does not keep a failing guest in its slot. Method: a pricing,
/// one whose release expires, and one that is removed from the node; a fourth one fails.
#[tokio::test(flavor = "multi_thread")]
async fn rollback_skips_unavailable_guests() {
    let offline = OfflineSlots::open(&Config::default());
    offline.apply(install("pricing", guest("token_pricing", &[]))).await.unwrap();
    let path = offline.file(component("volume_discount"));
    let expiring =
        release(&Keys::generate(), Digest::of(component("volume_discount")), Some(NOW.plus(60)));
    std::fs::write(sidecar(&path, "release"), expiring).unwrap();
    offline.apply(install("pricing", guest(path, &[]))).await.unwrap();
    let alert =
        alert_after_an_unavailable_guest(&offline, "pricing", "market_pricing", "hostile_pricing")
            .await;
    offline.manager.roll_back(alert, &offline.journal, NOW.plus(60)).await;
    let expected = [
        "rollback token_pricing done",
        "rollback volume_discount unavailable",
        "rollback market_pricing unavailable",
    ];
    assert_eq!(audit_rows(&offline, 3), expected);
    assert_eq!(
        offline.journal.installations().unwrap().last().unwrap().guest.as_ref().unwrap().name,
        "token_pricing"
    );
}

/// Goal: the last fallback is the shipped guest, for required slots; otherwise the guest stays.
/// Method: a pricing and a handler that fail, whose only predecessors are unavailable; the handler
/// keeps failing.
#[tokio::test(flavor = "multi_thread")]
async fn rollback_ends_at_the_shipped_guest() {
    let offline = OfflineSlots::open(&Config::default());
    let alert =
        alert_after_an_unavailable_guest(&offline, "pricing", "market_pricing", "hostile_pricing")
            .await;
    offline.manager.roll_back(alert, &offline.journal, NOW).await;
    assert_eq!(
        audit_rows(&offline, 2),
        ["rollback token_pricing done", "rollback market_pricing unavailable"]
    );
    let alert =
        alert_after_an_unavailable_guest(&offline, "handler:5999", "probe", "hostile_handler")
            .await;
    for _ in 0..2 {
        offline.manager.roll_back(alert, &offline.journal, NOW).await;
        assert_eq!(
            audit_rows(&offline, 3),
            [
                "rollback hostile-handler unavailable",
                "rollback probe unavailable",
                "approve hostile-handler done"
            ]
        );
    }
}

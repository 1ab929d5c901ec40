//! A shadow policy is called alongside the serving one.

use super::install_steps::{NOW, OfflineSlots};
use super::{file, guest, install, serving, until};
use crate::component;
use pylon_core::UnixTime;
use pylon_core::guest::Fault;
use pylon_core::ports::installations::Installations;
use pylon_core::slots::SlotChange;
use pylon_journal::{AnswerPair, ReadOnlyJournal};
use pylon_slots::Config;
use pylon_slots::FaultAlert;
use pylon_tests::market::{MarketOptions, TestMarket, text};

const DEAR: &[(&str, &str)] = &[("base-msat", "9000")];

/// Goal: a shadow answers the same questions without effect, and then serves in one swap. Method: a
/// more expensive shadow pricing; two jobs, both answers, a restart, and the swap.
#[tokio::test(flavor = "multi_thread")]
async fn shadow_is_called_and_then_serves() {
    let mut market = TestMarket::start(MarketOptions {
        pricing: &[("base-msat", "1000")],
        ..MarketOptions::default()
    })
    .await;
    let shadow = SlotChange::Install {
        slot: "pricing".into(),
        guest: guest("token_pricing", DEAR),
        shadow: true,
    };
    let status = market.node().change(&shadow).await.unwrap();
    assert_eq!((status.role.as_str(), status.revision), ("shadow", None));
    let mut customer = market.customer().await;
    for words in ["one", "two"] {
        if words == "two" {
            market.stop_node(std::time::Duration::ZERO).await;
            market.start_node().await;
        }
        let job = customer.ask(vec![text(words)]).await;
        let due = customer.result(job).await.due.unwrap().0;
        assert!(due.get() < 9000, "{due}");
    }
    let pairs = || {
        let mut pairs: Vec<AnswerPair> = Vec::new();
        let journal =
            ReadOnlyJournal::open(&market.folder.path().join(".openagents/pylon/pylon.db"))
                .unwrap();
        journal
            .pairs("pricing", status.digest, UnixTime::new(status.since), 100, |pair| {
                pairs.push(pair)
            })
            .unwrap();
        pairs
    };
    until(&market, "both jobs, offered and settled", async || pairs().len() == 4).await;
    for pair in pairs() {
        assert!(
            pair.active.is_ok()
                && pair.shadow.is_ok()
                && pair.active != pair.shadow
                && pair.fuel > 0,
            "{pair:?}"
        );
    }
    assert_eq!(serving(&market, "pricing").await.settings.get("base-msat").unwrap(), "1000");
    let served =
        market.node().change(&SlotChange::Activate { slot: "pricing".into() }).await.unwrap();
    assert_eq!(served.settings.get("base-msat").unwrap(), "9000");
    let job = customer.ask(vec![text("three")]).await;
    assert!(customer.result(job).await.due.unwrap().0.get() >= 9000);
    let again = market.node().change(&SlotChange::Activate { slot: "pricing".into() }).await;
    assert_eq!(again.unwrap_err().code, "no_target");
}

/// Goal: work is not done twice. Method: a handler as a shadow.
#[tokio::test(flavor = "multi_thread")]
async fn handler_cannot_be_a_shadow() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let path = file(market.folder.path(), "probe");
    let change =
        SlotChange::Install { slot: "handler:5999".into(), guest: guest(path, &[]), shadow: true };
    assert_eq!(market.node().change(&change).await.unwrap_err().code, "shadow");
    assert!(
        market.node().change(&install("handler:5050", guest("token_pricing", &[]))).await.is_err()
    );
}

/// Goal: a failing shadow affects nothing else. Method: one that uses all its fuel at every call;
/// jobs, and the statistics of both.
#[tokio::test(flavor = "multi_thread")]
async fn failing_shadow_affects_no_job() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let path = file(market.folder.path(), "hostile_pricing");
    let change = SlotChange::Install {
        slot: "pricing".into(),
        guest: guest(path, &[("do", "fuel")]),
        shadow: true,
    };
    let status = market.node().change(&change).await.unwrap();
    let mut customer = market.customer().await;
    for number in 0..12 {
        let job = customer.ask(vec![text(&format!("job {number}"))]).await;
        customer.result(job).await;
    }
    let pairs = || {
        let mut pairs: Vec<AnswerPair> = Vec::new();
        let journal =
            ReadOnlyJournal::open(&market.folder.path().join(".openagents/pylon/pylon.db"))
                .unwrap();
        journal
            .pairs("pricing", status.digest, UnixTime::new(status.since), 100, |pair| {
                pairs.push(pair)
            })
            .unwrap();
        pairs
    };
    until(&market, "asked", async || pairs().len() == 12).await;
    assert!(pairs().iter().all(|pair| pair.active.is_ok() && pair.shadow == Err(Fault::Fuel)));
    let serving = serving(&market, "pricing").await;
    assert_eq!(
        (serving.name.as_str(), serving.stats.map(|seen| (seen.calls, seen.traps))),
        ("token_pricing", Some((12, 0)))
    );
}

/// Goal: a shadow needs a serving guest. Method: an empty slot; then one that an operator empties,
/// and one that is emptied automatically.
#[tokio::test(flavor = "multi_thread")]
async fn removing_a_guest_removes_its_shadow() {
    let offline = OfflineSlots::open(&Config::default());
    let slot = "pricing:5050";
    let shadow = || SlotChange::Install {
        slot: slot.into(),
        guest: guest("volume_discount", &[]),
        shadow: true,
    };
    assert_eq!(offline.apply(shadow()).await.unwrap_err().code, "shadow");
    for automatic in [false, true] {
        let bad = guest(offline.file(component("hostile_pricing")), &[]);
        let revision = offline.apply(install(slot, bad)).await.unwrap().revision.unwrap();
        offline.apply(shadow()).await.unwrap();
        if automatic {
            let alert = FaultAlert { slot: slot.parse().unwrap(), revision };
            offline.manager.roll_back(alert, &offline.journal, NOW).await;
        } else {
            offline.apply(SlotChange::Rollback { slot: slot.into(), to: Some(0) }).await.unwrap();
        }
        assert!(offline.journal.pending_guests().unwrap().is_empty());
        assert!(offline.manager.status().await.is_empty());
        let rows = offline
            .journal
            .audit(2)
            .unwrap()
            .into_iter()
            .map(|row| format!("{} {}", row.action, row.outcome));
        assert_eq!(rows.collect::<Vec<_>>(), ["shadow_removed done", "remove done"]);
    }
}

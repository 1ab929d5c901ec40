//! A policy that is asked beside the one that serves.

use super::steps::{NOW, Shop};
use super::{file, guest, install, serving, until};
use crate::component;
use pylon_core::UnixTime;
use pylon_core::ports::guests::Fault;
use pylon_core::ports::installations::Installations;
use pylon_core::slots::SlotChange;
use pylon_journal::{AnswerPair, ReadOnlyJournal};
use pylon_slots::Alarm;
use pylon_slots::Config;
use pylon_tests::stage::{Set, Stage, text};

const DEAR: &[(&str, &str)] = &[("base-msat", "9000")];

/// Goal: a shadow answers the same questions and changes nothing, and then serves in one swap. Method: a dearer pricing beside; two jobs, what both
/// said, a restart, and the swap.
#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_is_asked_and_then_serves() {
    let mut stage = Stage::set(Set { pricing: &[("base-msat", "1000")], ..Set::default() }).await;
    let shadow = SlotChange::Install {
        slot: "pricing".into(),
        guest: guest("token_pricing", DEAR),
        shadow: true,
    };
    let seated = stage.node().change(&shadow).await.unwrap();
    assert_eq!((seated.standing.as_str(), seated.generation), ("shadow", None));
    let mut customer = stage.customer().await;
    for words in ["one", "two"] {
        if words == "two" {
            stage.stop(std::time::Duration::ZERO).await;
            stage.start().await;
        }
        let job = customer.ask(vec![text(words)]).await;
        let due = customer.result(job).await.due.unwrap().0;
        assert!(due.get() < 9000, "{due}");
    }
    let pairs = || {
        let mut pairs: Vec<AnswerPair> = Vec::new();
        let books =
            ReadOnlyJournal::open(&stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
        books
            .pairs("pricing", seated.digest, UnixTime::new(seated.since), 100, |pair| {
                pairs.push(pair)
            })
            .unwrap();
        pairs
    };
    until(&stage, "both jobs, offered and settled", async || pairs().len() == 4).await;
    for pair in pairs() {
        assert!(
            pair.active.is_ok()
                && pair.shadow.is_ok()
                && pair.active != pair.shadow
                && pair.fuel > 0,
            "{pair:?}"
        );
    }
    assert_eq!(serving(&stage, "pricing").await.settings.get("base-msat").unwrap(), "1000");
    let served =
        stage.node().change(&SlotChange::Activate { slot: "pricing".into() }).await.unwrap();
    assert_eq!(served.settings.get("base-msat").unwrap(), "9000");
    let job = customer.ask(vec![text("three")]).await;
    assert!(customer.result(job).await.due.unwrap().0.get() >= 9000);
    let again = stage.node().change(&SlotChange::Activate { slot: "pricing".into() }).await;
    assert_eq!(again.unwrap_err().code, "nothing");
}

/// Goal: work is not done twice. Method: a handler as a shadow.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_has_no_shadow() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let path = file(stage.folder.path(), "probe");
    let deed =
        SlotChange::Install { slot: "handler:5999".into(), guest: guest(path, &[]), shadow: true };
    assert_eq!(stage.node().change(&deed).await.unwrap_err().code, "shadow");
    assert!(
        stage.node().change(&install("handler:5050", guest("token_pricing", &[]))).await.is_err()
    );
}

/// Goal: a shadow harms nobody but itself. Method: one that burns all its fuel at every question; jobs, and what is known of both.
#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_that_never_answers() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let path = file(stage.folder.path(), "hostile_pricing");
    let deed = SlotChange::Install {
        slot: "pricing".into(),
        guest: guest(path, &[("do", "fuel")]),
        shadow: true,
    };
    let seated = stage.node().change(&deed).await.unwrap();
    let mut customer = stage.customer().await;
    for number in 0..12 {
        let job = customer.ask(vec![text(&format!("job {number}"))]).await;
        customer.result(job).await;
    }
    let pairs = || {
        let mut pairs: Vec<AnswerPair> = Vec::new();
        let books =
            ReadOnlyJournal::open(&stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
        books
            .pairs("pricing", seated.digest, UnixTime::new(seated.since), 100, |pair| {
                pairs.push(pair)
            })
            .unwrap();
        pairs
    };
    until(&stage, "asked", async || pairs().len() == 12).await;
    assert!(pairs().iter().all(|pair| pair.active.is_ok() && pair.shadow == Err(Fault::Fuel)));
    let serving = serving(&stage, "pricing").await;
    assert_eq!(
        (serving.name.as_str(), serving.figures.map(|seen| (seen.calls, seen.traps))),
        ("token_pricing", Some((12, 0)))
    );
}

/// Goal: a shadow stands beside somebody. Method: a slot without anybody; then one that an operator empties, and one that empties itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_does_not_stay_alone() {
    let shop = Shop::open(&Config::default());
    let slot = "pricing:5050";
    let shadow = || SlotChange::Install {
        slot: slot.into(),
        guest: guest("volume_discount", &[]),
        shadow: true,
    };
    assert_eq!(shop.carry_out(shadow()).await.unwrap_err().code, "shadow");
    for by_itself in [false, true] {
        let bad = guest(shop.file(component("hostile_pricing")), &[]);
        let generation = shop.carry_out(install(slot, bad)).await.unwrap().generation.unwrap();
        shop.carry_out(shadow()).await.unwrap();
        if by_itself {
            let alarm = Alarm { slot: slot.parse().unwrap(), generation };
            shop.workshop.take_out(alarm, &shop.journal, NOW).await;
        } else {
            shop.carry_out(SlotChange::Rollback { slot: slot.into(), to: Some(0) }).await.unwrap();
        }
        assert!(shop.journal.standbys().unwrap().is_empty());
        assert!(shop.workshop.seated().await.is_empty());
        let rows = shop
            .journal
            .audit(2)
            .unwrap()
            .into_iter()
            .map(|row| format!("{} {}", row.action, row.outcome));
        assert_eq!(rows.collect::<Vec<_>>(), ["rollback gone", "remove done"]);
    }
}

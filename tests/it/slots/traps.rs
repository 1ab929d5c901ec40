//! A guest that fails again and again.

use super::steps::{NOW, Shop, beside, release};
use super::{audit, file, guest, install, serving, until};
use crate::component;
use nostr_sdk::prelude::Keys;
use pylon_core::Digest;
use pylon_core::ports::installations::Installations;
use pylon_core::slots::SlotChange;
use pylon_slots::Alarm;
use pylon_slots::Config;
use pylon_tests::stage::{Customer, Set, Stage, bid, text};

async fn unlucky(customer: &mut Customer, words: &str, times: usize) {
    for number in 0..times {
        let job = customer.ask(vec![text(&format!("{words} {number}")), bid(13_000)]).await;
        assert!(
            customer.feedback(job, "error").await.message.contains("busy"),
            "without a price nothing is sold"
        );
    }
}

/// Goal: what fails five times is replaced by what was there before, by itself, and not again at once. Method: a pricing that traps at one bid, twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_traps_is_taken_out() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let bad = || guest(stage.folder.path().join("hostile_pricing.wasm"), &[("do", "unlucky")]);
    file(stage.folder.path(), "hostile_pricing");
    stage.node().change(&install("pricing", bad())).await.unwrap();
    unlucky(&mut customer, "first", 4).await;
    until(&stage, "counted", async || serving(&stage, "pricing").await.figures.unwrap().traps == 4)
        .await;
    unlucky(&mut customer, "fifth", 1).await;
    until(&stage, "taken out", async || serving(&stage, "pricing").await.name == "token_pricing")
        .await;
    assert_eq!(audit(&stage, 2), ["rollback pricing done", "install pricing done"]);
    let job = customer.ask(vec![text("hello"), bid(13_000)]).await;
    assert_eq!(customer.result(job).await.content, "hello");
    assert!(serving(&stage, "pricing").await.figures.unwrap().calls < 5, "counted anew");
    stage.node().change(&install("pricing", bad())).await.unwrap();
    unlucky(&mut customer, "again", 5).await;
    until(&stage, "told", async || audit(&stage, 1) == ["rollback pricing wait"]).await;
    assert_eq!(serving(&stage, "pricing").await.name, "hostile-pricing");
    let back = stage
        .node()
        .change(&SlotChange::Rollback { slot: "pricing".into(), to: None })
        .await
        .unwrap();
    assert_eq!(back.name, "token_pricing", "the operator need not wait");
}

/// Goal: a kind whose only pricing fails has the one for all again. Method: a pricing of a kind that traps, where none was before.
#[tokio::test(flavor = "multi_thread")]
async fn back_to_the_policy_for_all() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let path = file(stage.folder.path(), "hostile_pricing");
    stage.node().change(&install("pricing:5050", guest(path, &[("do", "unlucky")]))).await.unwrap();
    unlucky(&mut customer, "hello", 5).await;
    until(&stage, "taken out", async || audit(&stage, 1) == ["remove pricing:5050 done"]).await;
    let job = customer.ask(vec![text("hello"), bid(13_000)]).await;
    assert_eq!(customer.result(job).await.content, "hello");
}

/// Goal: with nothing to go back to, the guest stays and that is told, until the operator says otherwise. Method: the only handler of a kind traps, and is
/// then removed.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_go_back_to() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let path = file(stage.folder.path(), "hostile_handler");
    stage.node().change(&install("handler:5999", guest(path, &[("do", "panic")]))).await.unwrap();
    for number in 0..5 {
        let job = customer.broadcast(5999, vec![text(&format!("hello {number}"))]).await;
        customer.feedback(job, "error").await;
    }
    until(&stage, "told", async || audit(&stage, 1) == ["rollback handler:5999 nothing"]).await;
    assert_eq!(serving(&stage, "handler:5999").await.name, "hostile-handler");
    let removed = stage
        .node()
        .change(&SlotChange::Rollback { slot: "handler:5999".into(), to: Some(1) })
        .await
        .unwrap();
    assert_eq!((removed.name.as_str(), removed.standing.as_str()), ("hostile-handler", "removed"));
    assert_eq!(stage.node().facts().kinds(), [5050]);
}

/// Goal: who was there first, before the node ever started, has nobody to go back to, and that is said with what can be done. Method: a pricing and a handler
/// on a home without history; both are rolled back, by command and by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn filled_before_the_first_start() {
    let shop = Shop::open(&Config::default());
    let back =
        async |slot: &str, to| shop.carry_out(SlotChange::Rollback { slot: slot.into(), to }).await;
    assert!(back("pricing", None).await.unwrap_err().why.contains("nobody was ever in"));
    shop.carry_out(install("pricing", guest(shop.file(component("hostile_pricing")), &[])))
        .await
        .unwrap();
    shop.carry_out(install("handler:5999", guest(shop.file(component("probe")), &[])))
        .await
        .unwrap();
    for (slot, to_do) in [
        ("pricing", "`pylon guest install token_pricing --slot pricing`"),
        ("handler:5999", "`pylon guest rollback handler:5999 --to 1` empties it"),
    ] {
        let stop = back(slot, None).await.unwrap_err();
        assert!(stop.code == "nothing" && stop.why.contains(to_do), "{stop:?}");
    }
    assert_eq!(back("pricing", Some(0)).await.unwrap_err().code, "nothing");
    let slot = "pricing".parse().unwrap();
    shop.workshop.take_out(Alarm { slot, generation: 1 }, &shop.journal, NOW).await;
    let told = shop.journal.audit(1).unwrap().remove(0);
    assert_eq!((told.action.as_str(), told.outcome.as_str()), ("rollback", "nothing"));
    assert!(
        told.detail.contains("stays") && told.detail.contains("token_pricing"),
        "{}",
        told.detail
    );
    assert_eq!(back("handler:5999", Some(0)).await.unwrap().standing, "removed");
    assert_eq!(shop.journal.installations().unwrap().len(), 3);
}

/// Goal: what cannot be helped is told once, not with every fifth call. Method: a pricing that was taken out a moment ago fails again and again.
#[tokio::test(flavor = "multi_thread")]
async fn told_once() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let path = file(stage.folder.path(), "hostile_pricing");
    let bad = || install("pricing", guest(&path, &[("do", "unlucky")]));
    stage.node().change(&bad()).await.unwrap();
    unlucky(&mut customer, "once", 5).await;
    until(&stage, "taken out", async || serving(&stage, "pricing").await.name == "token_pricing")
        .await;
    stage.node().change(&bad()).await.unwrap();
    unlucky(&mut customer, "again", 15).await;
    until(&stage, "counted", async || {
        serving(&stage, "pricing").await.figures.unwrap().traps == 15
    })
    .await;
    // Alarms are heard one after the other, and before this change.
    stage.node().change(&install("pricing:5051", guest("token_pricing", &[]))).await.unwrap();
    assert_eq!(
        audit(&stage, 3),
        ["install pricing:5051 done", "rollback pricing wait", "install pricing done"]
    );
}

/// Goal: an alarm is about the guest that failed, and nobody else. Method: one that comes when another guest is there already.
#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_comes_late() {
    let shop = Shop::open(&Config::default());
    let bad = guest(shop.file(component("hostile_pricing")), &[("do", "unlucky")]);
    shop.carry_out(install("pricing", bad)).await.unwrap();
    shop.carry_out(install("pricing", guest("token_pricing", &[]))).await.unwrap();
    let slot = "pricing".parse().unwrap();
    shop.workshop.take_out(Alarm { slot, generation: 1 }, &shop.journal, NOW).await;
    assert_eq!(shop.journal.installations().unwrap().len(), 2);
    shop.workshop.take_out(Alarm { slot, generation: 2 }, &shop.journal, NOW).await;
    assert_eq!(shop.journal.installations().unwrap()[2].why, "traps");
}

/// Puts a guest there that nobody has any more, and then one that fails; the alarm is about it.
async fn between_the_gone_and_the_bad(shop: &Shop, slot: &str, gone: &str, bad: &str) -> Alarm {
    let seated =
        shop.carry_out(install(slot, guest(shop.file(component(gone)), &[]))).await.unwrap();
    let kept = shop.folder.path().join(format!(".openagents/pylon/guests/{}.wasm", seated.digest));
    std::fs::remove_file(kept).unwrap();
    let seated = shop.carry_out(install(slot, guest(shop.file(component(bad)), &[]))).await;
    let seated = match seated {
        Err(_) => {
            shop.carry_out(SlotChange::Approve { slot: slot.into(), digest: None }).await.unwrap()
        }
        Ok(seated) => seated,
    };
    Alarm { slot: slot.parse().unwrap(), generation: seated.generation.unwrap() }
}

fn told(shop: &Shop, limit: usize) -> Vec<String> {
    let rows = shop.journal.audit(limit).unwrap();
    rows.into_iter()
        .map(|row| {
            format!("{} {} {}", row.action, row.guest.split(' ').next().unwrap(), row.outcome)
        })
        .collect()
}

/// Goal: a guest that cannot be had is no reason to keep one that fails. Method: a pricing, one whose release ends, and one that is removed from the node; a
/// fourth one fails.
#[tokio::test(flavor = "multi_thread")]
async fn back_to_whoever_can_be_had() {
    let shop = Shop::open(&Config::default());
    shop.carry_out(install("pricing", guest("token_pricing", &[]))).await.unwrap();
    let path = shop.file(component("volume_discount"));
    let over =
        release(&Keys::generate(), Digest::of(component("volume_discount")), Some(NOW.plus(60)));
    std::fs::write(beside(&path, "release"), over).unwrap();
    shop.carry_out(install("pricing", guest(path, &[]))).await.unwrap();
    let alarm =
        between_the_gone_and_the_bad(&shop, "pricing", "market_pricing", "hostile_pricing").await;
    shop.workshop.take_out(alarm, &shop.journal, NOW.plus(60)).await;
    let expected = [
        "rollback token_pricing done",
        "rollback volume_discount gone",
        "rollback market_pricing gone",
    ];
    assert_eq!(told(&shop, 3), expected);
    assert_eq!(
        shop.journal.installations().unwrap().last().unwrap().guest.as_ref().unwrap().name,
        "token_pricing"
    );
}

/// Goal: at last comes what is shipped, where something has to be there, and otherwise the guest stays. Method: a pricing and a handler that fail, before
/// which there was only one that is gone; the handler fails on.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_be_had() {
    let shop = Shop::open(&Config::default());
    let alarm =
        between_the_gone_and_the_bad(&shop, "pricing", "market_pricing", "hostile_pricing").await;
    shop.workshop.take_out(alarm, &shop.journal, NOW).await;
    assert_eq!(told(&shop, 2), ["rollback token_pricing done", "rollback market_pricing gone"]);
    let alarm =
        between_the_gone_and_the_bad(&shop, "handler:5999", "probe", "hostile_handler").await;
    for _ in 0..2 {
        shop.workshop.take_out(alarm, &shop.journal, NOW).await;
        assert_eq!(
            told(&shop, 3),
            [
                "rollback hostile-handler gone",
                "rollback probe gone",
                "approve hostile-handler done"
            ]
        );
    }
}

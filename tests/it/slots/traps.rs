//! A guest that fails again and again.

use super::{audit, file, guest, install, serving, until};
use pylon::guests::deed::Deed;
use pylon_tests::stage::{Customer, Set, Stage, bid, text};

async fn unlucky(customer: &mut Customer, words: &str, times: usize) {
    for number in 0..times {
        let job = customer.ask(vec![text(&format!("{words} {number}")), bid(13_000)]).await;
        assert!(customer.feedback(job, "error").await.words.contains("busy"), "without a price nothing is sold");
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
    until(&stage, "counted", async || serving(&stage, "pricing").await.figures.unwrap().traps == 4).await;
    unlucky(&mut customer, "fifth", 1).await;
    until(&stage, "taken out", async || serving(&stage, "pricing").await.name == "token_pricing").await;
    assert_eq!(audit(&stage, 2), ["rollback pricing done", "install pricing done"]);
    let job = customer.ask(vec![text("hello"), bid(13_000)]).await;
    assert_eq!(customer.result(job).await.content, "hello");
    assert!(serving(&stage, "pricing").await.figures.unwrap().calls < 5, "counted anew");
    stage.node().change(&install("pricing", bad())).await.unwrap();
    unlucky(&mut customer, "again", 5).await;
    until(&stage, "told", async || audit(&stage, 1) == ["rollback pricing wait"]).await;
    assert_eq!(serving(&stage, "pricing").await.name, "hostile-pricing");
    let back = stage.node().change(&Deed::Rollback { slot: "pricing".into(), to: None }).await.unwrap();
    assert_eq!(back.name, "token_pricing", "the operator need not wait");
}

/// Goal: with nothing to go back to, the guest stays and that is told. Method: a kind whose only pricing traps.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_go_back_to() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let path = file(stage.folder.path(), "hostile_pricing");
    stage.node().change(&install("pricing:5050", guest(path, &[("do", "unlucky")]))).await.unwrap();
    unlucky(&mut customer, "hello", 5).await;
    until(&stage, "told", async || audit(&stage, 1) == ["rollback pricing:5050 nothing"]).await;
    assert_eq!(serving(&stage, "pricing:5050").await.name, "hostile-pricing");
}

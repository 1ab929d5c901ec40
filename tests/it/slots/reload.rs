//! Reload of settings while slots change.

use super::{audit, guest, install, serving};
use pylon_core::Digest;
use pylon_core::slots::GuestConfig;
use pylon_tests::market::{MarketOptions, TestMarket};
use std::pin::pin;
use tokio::net::TcpListener;

/// Goal: a download blocks nothing else. Method: a reload that names a server which never answers;
/// a slot is changed and listed meanwhile, and the failed reload has changed nothing.
#[tokio::test(flavor = "multi_thread")]
async fn slow_server_blocks_no_other_change() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = market.config.clone();
    let source = format!("https://{}/a.wasm", silent.local_addr().unwrap());
    let digest = Digest::of(b"never seen").to_hex();
    config
        .slots
        .guests
        .insert("routing".into(), GuestConfig { source, digest, ..GuestConfig::default() });
    let mut reload = pin!(market.node().reload(&config));
    let link = tokio::select! {
        link = silent.accept() => link.unwrap(),
        done = &mut reload => panic!("{:?}", done.map(|_| ())),
    };
    let changed = async {
        market
            .node()
            .change(&install("pricing", guest("token_pricing", &[("base-msat", "1")])))
            .await
            .unwrap();
        serving(&market, "pricing").await.settings
    };
    let settings = tokio::select! {
        settings = changed => settings,
        done = &mut reload => panic!("{:?}", done.map(|_| ())),
    };
    assert_eq!(settings["base-msat"], "1");
    drop((link, silent));
    let error = format!("{:#}", reload.await.unwrap_err());
    assert!(error.contains("guests.routing") && error.contains("cannot be fetched"), "{error}");
    assert_eq!(audit(&market, 2), ["reload routing source", "install pricing done"]);
    assert_eq!(serving(&market, "pricing").await.settings["base-msat"], "1");
}

/// Goal: a failed reload has changed nothing. Method: settings with another pricing and an invalid
/// relay address, then with a valid relay and an invalid guest.
#[tokio::test(flavor = "multi_thread")]
async fn failed_reload_changes_nothing() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let before = serving(&market, "pricing").await;
    let relays =
        || market.node().status().relays().into_iter().map(|relay| relay.url).collect::<Vec<_>>();
    let held = relays();
    let mut config = market.config.clone();
    config.slots.guests.insert("pricing".into(), guest("token_pricing", &[("base-msat", "1")]));
    config.market.relays.push("nowhere".into());
    assert!(market.node().reload(&config).await.is_err());
    assert_eq!(serving(&market, "pricing").await.revision, before.revision);
    config.market.relays = vec!["ws://127.0.0.1:9".into()];
    config.slots.guests.insert("routing".into(), guest("/no/such/file.wasm", &[]));
    assert!(market.node().reload(&config).await.is_err());
    assert_eq!(relays(), held);
    assert_eq!(serving(&market, "pricing").await.revision, before.revision);
}

//! Settings that are read again while slots are at work.

use super::{audit, guest, install, serving};
use pylon_core::Digest;
use pylon_core::slots::GuestConfig;
use pylon_tests::stage::{Set, Stage};
use std::pin::pin;
use tokio::net::TcpListener;

/// Goal: nobody waits for a component that is fetched. Method: a reload that names a server which never answers; a slot is changed and looked at meanwhile, and
/// what the reload then fails with has changed nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_holds_up_nobody() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = stage.config.clone();
    let source = format!("https://{}/a.wasm", silent.local_addr().unwrap());
    let digest = Digest::of(b"never seen").to_hex();
    config
        .slots
        .guests
        .insert("routing".into(), GuestConfig { source, digest, ..GuestConfig::default() });
    let mut reload = pin!(stage.node().reload(&config));
    let link = tokio::select! {
        link = silent.accept() => link.unwrap(),
        done = &mut reload => panic!("{:?}", done.map(|_| ())),
    };
    let changed = async {
        stage
            .node()
            .change(&install("pricing", guest("token_pricing", &[("base-msat", "1")])))
            .await
            .unwrap();
        serving(&stage, "pricing").await.settings
    };
    let settings = tokio::select! {
        settings = changed => settings,
        done = &mut reload => panic!("{:?}", done.map(|_| ())),
    };
    assert_eq!(settings["base-msat"], "1");
    drop((link, silent));
    let error = format!("{:#}", reload.await.unwrap_err());
    assert!(error.contains("guests.routing") && error.contains("cannot be fetched"), "{error}");
    assert_eq!(audit(&stage, 2), ["reload routing source", "install pricing done"]);
    assert_eq!(serving(&stage, "pricing").await.settings["base-msat"], "1");
}

/// Goal: a reload that fails has changed nothing. Method: settings with another pricing and an address that is none among the relays, then with a relay that
/// is one and a guest that is none.
#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_or_nothing() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let before = serving(&stage, "pricing").await;
    let relays =
        || stage.node().facts().relays().into_iter().map(|relay| relay.url).collect::<Vec<_>>();
    let held = relays();
    let mut config = stage.config.clone();
    config.slots.guests.insert("pricing".into(), guest("token_pricing", &[("base-msat", "1")]));
    config.market.relays.push("nowhere".into());
    assert!(stage.node().reload(&config).await.is_err());
    assert_eq!(serving(&stage, "pricing").await.generation, before.generation);
    config.market.relays = vec!["ws://127.0.0.1:9".into()];
    config.slots.guests.insert("routing".into(), guest("/no/such/file.wasm", &[]));
    assert!(stage.node().reload(&config).await.is_err());
    assert_eq!(relays(), held);
    assert_eq!(serving(&stage, "pricing").await.generation, before.generation);
}

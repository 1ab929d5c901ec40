//! Lockdown rules apply to rollbacks, to expired releases, and when they become stricter.

use super::install_steps::{NOW, OfflineSlots, deletion, release, sidecar};
use super::{audit, file, guest, install, serving, until};
use crate::component;
use nostr_sdk::prelude::{Event, JsonUtil, Keys};
use pylon_core::machine::Execution;
use pylon_core::ports::clock::Clock;
use pylon_core::ports::installations::Installations;
use pylon_core::slots::Lockdown;
use pylon_core::slots::{SlotChange, SlotStatus};
use pylon_core::{Digest, UnixTime};
use pylon_egress::policy::EgressPolicy;
use pylon_node::clock::SystemClock;
use pylon_node::home::Home;
use pylon_sandbox::Compilation;
use pylon_slots::Config;
use pylon_slots::{SlotHistory, Slots, sandbox};
use pylon_tests::market::{MarketOptions, TEST_TIMEOUT, TestMarket, text};
use pylon_tests::stub::Script;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

const SLOT: &str = "handler:5999";

fn granting(names: &[&str]) -> Config {
    let mut config = Config::default();
    let grants = Some(names.iter().map(|name| (*name).to_owned()).collect());
    config.guests.insert(SLOT.into(), pylon_core::slots::GuestConfig { grants, ..guest("", &[]) });
    config
}

/// Goal: configured grants apply however a guest was installed. Method: a handler that had every
/// capability, rolled back and approved under settings that grant less.
#[tokio::test(flavor = "multi_thread")]
async fn configured_grants_apply_after_a_rollback() {
    let offline = OfflineSlots::open(&Config::default());
    let more = guest(offline.file(component("hostile_handler")), &[]);
    let none = guest(offline.file(component("probe")), &[]);
    offline.apply(install(SLOT, none.clone())).await.unwrap();
    offline.apply(install(SLOT, more)).await.unwrap_err();
    let less = granting(&["progress"]);
    let offline = offline.under(&less);
    let refused =
        offline.apply(SlotChange::Approve { slot: SLOT.into(), digest: None }).await.unwrap_err();
    assert!(refused.code == "unavailable" && refused.message.contains("inference"), "{refused:?}");
    let offline = offline.under(&Config::default());
    offline.apply(SlotChange::Approve { slot: SLOT.into(), digest: None }).await.unwrap();
    offline.apply(install(SLOT, none)).await.unwrap();
    let offline = offline.under(&less);
    for to in [None, Some(2)] {
        let refused =
            offline.apply(SlotChange::Rollback { slot: SLOT.into(), to }).await.unwrap_err();
        assert!(
            refused.code == "unavailable" && refused.message.contains("inference"),
            "{refused:?}"
        );
    }
    offline
        .under(&Config::default())
        .apply(SlotChange::Rollback { slot: SLOT.into(), to: None })
        .await
        .unwrap();
}

/// Goal: only the guest that the operator saw is approved. Method: another guest is pending when
/// the first is approved.
#[tokio::test(flavor = "multi_thread")]
async fn approval_is_for_the_guest_that_was_shown() {
    let offline = OfflineSlots::open(&Config::default());
    offline.apply(install(SLOT, guest(offline.file(component("probe")), &[]))).await.unwrap();
    offline
        .apply(install(SLOT, guest(offline.file(component("hostile_handler")), &[])))
        .await
        .unwrap_err();
    let change = |digest| SlotChange::Approve { slot: SLOT.into(), digest: Some(digest) };
    let refused = offline.apply(change(Digest::of(b"what was seen"))).await.unwrap_err();
    assert!(refused.code == "digest" && refused.message.contains("hostile-handler"), "{refused:?}");
    offline.apply(change(Digest::of(component("hostile_handler")))).await.unwrap();
}

/// Goal: a pending guest is not approved against a guest that was replaced. Method: the slot
/// changes otherwise while a guest is pending.
#[tokio::test(flavor = "multi_thread")]
async fn approval_fails_after_the_slot_changed() {
    let offline = OfflineSlots::open(&Config::default());
    let more = guest(offline.file(component("hostile_handler")), &[]);
    offline.apply(install(SLOT, guest(offline.file(component("probe")), &[]))).await.unwrap();
    let approve = || SlotChange::Approve { slot: SLOT.into(), digest: None };
    offline.apply(install(SLOT, more.clone())).await.unwrap_err();
    offline.apply(approve()).await.unwrap();
    offline.apply(SlotChange::Rollback { slot: SLOT.into(), to: None }).await.unwrap();
    offline.apply(install(SLOT, more)).await.unwrap_err();
    offline.apply(SlotChange::Rollback { slot: SLOT.into(), to: Some(2) }).await.unwrap();
    assert_eq!(offline.apply(approve()).await.unwrap_err().code, "no_target");
    assert!(offline.journal.pending_guests().unwrap().is_empty());
}

/// Goal: a guest with an expired release cannot be installed in any way. Method: a guest signed for
/// a minute, which is a shadow and is then removed, and installed again too late.
#[tokio::test(flavor = "multi_thread")]
async fn expired_release_is_never_installed() {
    let offline = OfflineSlots::open(&Config::default());
    let path = offline.file(component("hostile_pricing"));
    std::fs::write(
        sidecar(&path, "release"),
        release(&Keys::generate(), Digest::of(component("hostile_pricing")), Some(NOW.plus(60))),
    )
    .unwrap();
    let late = async |change| {
        offline
            .manager
            .apply(&change, &offline.journal, NOW.plus(60))
            .await
            .map(|status| status.name)
    };
    let shadow =
        SlotChange::Install { slot: "pricing".into(), guest: guest(&path, &[]), shadow: true };
    offline.apply(shadow).await.unwrap();
    let refused = late(SlotChange::Activate { slot: "pricing".into() }).await.unwrap_err();
    assert!(refused.code == "unavailable" && refused.message.contains("expired"), "{refused:?}");
    offline.apply(SlotChange::Activate { slot: "pricing".into() }).await.unwrap();
    offline.apply(install("pricing", guest("token_pricing", &[]))).await.unwrap();
    let refused =
        late(SlotChange::Rollback { slot: "pricing".into(), to: None }).await.unwrap_err();
    assert!(refused.code == "unavailable" && refused.message.contains("expired"), "{refused:?}");
    offline.apply(SlotChange::Rollback { slot: "pricing".into(), to: None }).await.unwrap();
}

/// Opens the slots of a home, as a start at this time does.
async fn start(offline: &OfflineSlots, config: &Config, now: UnixTime) -> Result<Slots, String> {
    let state = Home::at(offline.folder.path()).open().unwrap();
    let sandbox =
        sandbox(state.folder("cache").unwrap(), Compilation::InProcess, &config.lockdown).unwrap();
    let history = SlotHistory {
        installations: offline.journal.installations().unwrap(),
        pending: offline.journal.pending_guests().unwrap(),
    };
    let store = state.components().unwrap();
    let opened = Slots::open(
        sandbox,
        store,
        history,
        config,
        EgressPolicy::default(),
        Some(&offline.journal),
        now,
    )
    .await;
    opened.map(|(slots, _)| slots).map_err(|error| format!("{error:#}"))
}

/// Goal: where releases are required, an expired one serves at most until the next start or reload,
/// and that is recorded. Method: a pricing that was signed for a minute; later, deleted at its
/// source, and deleted as far as this node knows.
#[tokio::test(flavor = "multi_thread")]
async fn expired_release_serves_until_the_next_start_or_reload() {
    let locked = Config {
        lockdown: Lockdown { require_signature: true, ..Lockdown::default() },
        ..Config::default()
    };
    let offline = OfflineSlots::open(&locked);
    let (author, bytes) = (Keys::generate(), component("hostile_pricing"));
    let path = offline.file(bytes);
    let signed = release(&author, Digest::of(bytes), Some(NOW.plus(60)));
    std::fs::write(sidecar(&path, "release"), &signed).unwrap();
    offline.apply(install("pricing", guest(&path, &[]))).await.unwrap();
    let refused = async |config: &Config, now| {
        let error = start(&offline, config, now).await.map(drop).unwrap_err();
        let row = offline.journal.audit(1).unwrap().remove(0);
        assert_eq!(
            (row.action.as_str(), row.slot.as_str(), row.outcome.as_str()),
            ("start", "pricing", "unavailable")
        );
        error
    };
    let slots = start(&offline, &locked, NOW).await.unwrap();
    let reload =
        async |now| slots.manager.reload(&locked, &offline.journal, now, async { Ok(()) }).await;
    reload(NOW).await.unwrap();
    assert!(format!("{:#}", reload(NOW.plus(60)).await.unwrap_err()).contains("expired"));
    assert!(refused(&locked, NOW.plus(60)).await.contains("expired"));
    start(&offline, &Config::default(), NOW.plus(60)).await.unwrap();

    std::fs::write(sidecar(&path, "deletion"), deletion(&author, &signed)).unwrap();
    assert!(refused(&locked, NOW).await.contains("deleted by its author"));
    assert_eq!(
        offline.apply(install("pricing", guest(&path, &[]))).await.unwrap_err().code,
        "signature"
    );
    std::fs::remove_file(sidecar(&path, "deletion")).unwrap();
    assert!(refused(&locked, NOW).await.contains("deleted by its author"));
}

fn locked() -> Config {
    Config {
        lockdown: Lockdown { require_signature: true, ..Lockdown::default() },
        ..Config::default()
    }
}

/// Writes the component to a file, with a release next to it that expires then.
fn signed_until(offline: &OfflineSlots, name: &str, end: Option<UnixTime>) -> PathBuf {
    let path = offline.file(component(name));
    std::fs::write(
        sidecar(&path, "release"),
        release(&Keys::generate(), Digest::of(component(name)), end),
    )
    .unwrap();
    path
}

/// Goal: a guest with an expired release is replaced while the node runs. Method: a pricing over
/// the shipped one, a handler without predecessor and a shadow, each with another expiry; then a
/// pricing whose author withdraws it.
#[tokio::test(flavor = "multi_thread")]
async fn expired_guests_are_replaced_while_the_node_runs() {
    let offline = OfflineSlots::open(&locked());
    let slots = start(&offline, &locked(), NOW).await.unwrap();
    let manager = &slots.manager;
    let change =
        async |change: SlotChange| manager.apply(&change, &offline.journal, NOW).await.unwrap();
    let last_audit = || {
        let row = offline.journal.audit(1).unwrap().remove(0);
        (format!("{} {} {}", row.action, row.slot, row.outcome), row.detail)
    };
    change(install(
        "pricing",
        guest(signed_until(&offline, "hostile_pricing", Some(NOW.plus(60))), &[]),
    ))
    .await;
    change(install(SLOT, guest(signed_until(&offline, "probe", Some(NOW.plus(90))), &[]))).await;
    let asked = guest(signed_until(&offline, "hostile_verification", Some(NOW.plus(75))), &[]);
    change(SlotChange::Install { slot: "verification".into(), guest: asked, shadow: true }).await;
    let at = async |seconds: u64| {
        manager.remove_expired(&offline.journal, NOW.plus(seconds)).await;
        manager.next_expiry(NOW.plus(seconds)).await.map(|end| end.since(NOW))
    };
    assert_eq!((at(59).await, last_audit().0.as_str()), (Some(60), "shadow verification done"));
    let (end, (row, why)) = (at(60).await, last_audit());
    assert_eq!((end, row.as_str()), (Some(75), "rollback pricing done"));
    assert!(why.contains("hostile-pricing") && why.contains("expired"), "{why}");
    assert_eq!(
        (at(75).await, last_audit().0.as_str()),
        (Some(90), "shadow_removed verification done")
    );
    assert!(offline.journal.pending_guests().unwrap().is_empty());
    assert_eq!(
        (at(90).await, last_audit().0.as_str(), slots.kinds()),
        (None, "remove handler:5999 done", vec![5050])
    );
    let pricing = async || {
        let all = manager.status().await;
        all.into_iter().find(|one| one.slot == "pricing").unwrap().name
    };
    assert_eq!(pricing().await, "token_pricing");

    let author = Keys::generate();
    let path = offline.signed(&author, component("hostile_pricing"));
    let signed = std::fs::read_to_string(sidecar(&path, "release")).unwrap();
    change(install("pricing", guest(path, &[]))).await;
    let kept =
        format!(".openagents/pylon/guests/{}.deletion.json", Event::from_json(&signed).unwrap().id);
    std::fs::write(offline.folder.path().join(kept), deletion(&author, &signed)).unwrap();
    assert_eq!((at(90).await, pricing().await.as_str()), (None, "token_pricing"));
    assert!(last_audit().1.contains("deleted by its author"));
}

/// Goal: a guest that could not be removed is removed later. Method: a pricing and a shadow whose
/// releases expire while the journal cannot be written.
#[tokio::test(flavor = "multi_thread")]
async fn failed_removal_of_an_expired_guest_is_retried() {
    let offline = OfflineSlots::open(&locked());
    let slots = start(&offline, &locked(), NOW).await.unwrap();
    let manager = &slots.manager;
    let pricing = install(
        "pricing",
        guest(signed_until(&offline, "hostile_pricing", Some(NOW.plus(60))), &[]),
    );
    manager.apply(&pricing, &offline.journal, NOW).await.unwrap();
    let asked = guest(signed_until(&offline, "hostile_verification", Some(NOW.plus(60))), &[]);
    let shadow = SlotChange::Install { slot: "verification".into(), guest: asked, shadow: true };
    manager.apply(&shadow, &offline.journal, NOW).await.unwrap();
    let database = rusqlite::Connection::open(Home::at(offline.folder.path()).database()).unwrap();
    database
        .execute_batch(
            "CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    let at = async |seconds: u64| {
        manager.remove_expired(&offline.journal, NOW.plus(seconds)).await;
        let left = manager.status().await;
        let there =
            left.iter().filter(|one| one.name == "hostile-pricing" || one.role == "shadow").count();
        (there, manager.next_expiry(NOW.plus(seconds)).await.map(|end| end.since(NOW)))
    };
    assert_eq!(at(60).await, (2, Some(660)));
    database.execute_batch("DROP TRIGGER no").unwrap();
    assert_eq!(at(660).await, (0, None));
}

/// Goal: a configured guest whose release expired is not installed again automatically, but by a
/// command after its release was renewed. Method: a configured handler whose release expires; a
/// reload and a start with the renewed release, then an installation.
#[tokio::test(flavor = "multi_thread")]
async fn guest_with_a_renewed_release_is_installed_by_command() {
    let offline = OfflineSlots::open(&locked());
    let path = signed_until(&offline, "probe", Some(NOW.plus(60)));
    let mut config = locked();
    config.guests.insert(SLOT.into(), guest(&path, &[]));
    let slots = start(&offline, &config, NOW).await.unwrap();
    slots.manager.remove_expired(&offline.journal, NOW.plus(60)).await;
    assert_eq!(slots.kinds(), [5050]);
    signed_until(&offline, "probe", Some(NOW.plus(120)));
    let unchanged = async { Ok(()) };
    slots.manager.reload(&config, &offline.journal, NOW.plus(60), unchanged).await.unwrap();
    assert_eq!(slots.kinds(), [5050]);
    let slots = start(&offline, &config, NOW.plus(60)).await.unwrap();
    assert_eq!(slots.kinds(), [5050]);
    let again = install(SLOT, guest(&path, &[]));
    slots.manager.apply(&again, &offline.journal, NOW.plus(60)).await.unwrap();
    assert_eq!(slots.kinds(), [5050, 5999]);
}

/// Goal: a running node notices that the release of a shadow expires. Method: a shadow that is
/// signed for some seconds.
#[tokio::test(flavor = "multi_thread")]
async fn shadow_with_an_expired_release_is_removed() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let path = file(market.folder.path(), "hostile_pricing");
    let mut signed = market.config.clone();
    signed.slots.lockdown.require_signature = true;
    market.node().reload(&signed).await.unwrap();
    let author = Keys::generate();
    // On a busy machine it may expire before it is called.
    for seconds in [2, 20, 200] {
        let end = SystemClock.now().plus(seconds);
        std::fs::write(
            sidecar(&path, "release"),
            release(&author, Digest::of(component("hostile_pricing")), Some(end)),
        )
        .unwrap();
        let shadow =
            SlotChange::Install { slot: "pricing".into(), guest: guest(&path, &[]), shadow: true };
        if market.node().change(&shadow).await.is_ok() {
            break;
        }
    }
    let shadows = async || {
        market.node().status().guests().await.into_iter().filter(|one| one.role == "shadow").count()
    };
    until(&market, "taken out", async || shadows().await == 0).await;
    assert_eq!(audit(&market, 1), ["shadow_removed pricing done"]);
}

/// Goal: a running node notices that a release expires. Method: a pricing that is signed for some
/// seconds, under rules that require releases.
#[tokio::test(flavor = "multi_thread")]
async fn guest_with_an_expired_release_is_rolled_back() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let path = file(market.folder.path(), "hostile_pricing");
    let mut signed = market.config.clone();
    signed.slots.lockdown.require_signature = true;
    let author = Keys::generate();
    // On a busy machine it may expire before it serves.
    for seconds in [2, 20, 200] {
        let end = SystemClock.now().plus(seconds);
        std::fs::write(
            sidecar(&path, "release"),
            release(&author, Digest::of(component("hostile_pricing")), Some(end)),
        )
        .unwrap();
        let installed = market.node().change(&install("pricing", guest(&path, &[]))).await;
        if installed.is_ok() && market.node().reload(&signed).await.is_ok() {
            break;
        }
    }
    until(&market, "taken out", async || serving(&market, "pricing").await.name == "token_pricing")
        .await;
    assert_eq!(audit(&market, 1), ["rollback pricing done"]);
    let mut customer = market.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    assert_eq!(customer.result(job).await.content, "hello");
}

/// Goal: a started node queries the sources of its guests for withdrawn releases, and does not wait
/// for the response. Method: a guest of an address that accepts the connection and sends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_releases_are_queried_after_the_start() {
    let mut market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let path = file(market.folder.path(), "hostile_pricing");
    std::fs::write(
        sidecar(&path, "release"),
        release(&Keys::generate(), Digest::of(component("hostile_pricing")), None),
    )
    .unwrap();
    market.node().change(&install("pricing", guest(&path, &[]))).await.unwrap();
    market.stop_node(Duration::ZERO).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let database =
        rusqlite::Connection::open(market.folder.path().join(".openagents/pylon/pylon.db"))
            .unwrap();
    let source = format!("https://{}/a.wasm", silent.local_addr().unwrap());
    database
        .execute("UPDATE slot_changes SET source = ?1 WHERE cause = 'install'", [source])
        .unwrap();
    drop(database);
    market.config.slots.lockdown.require_signature = true;
    market.start_node().await;
    let _asked = timeout(TEST_TIMEOUT, silent.accept()).await.unwrap().unwrap();
    let mut customer = market.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    assert_eq!(customer.result(job).await.content, "hello");
}

/// Goal: stricter rules apply at once, or are refused with a record of it. Method: a running node;
/// fewer grants than its handler needs, then releases for all, with an unsigned shadow and then an
/// unsigned pricing.
#[tokio::test(flavor = "multi_thread")]
async fn stricter_rules_apply_at_once_or_are_refused() {
    let market =
        TestMarket::start(MarketOptions { wallet: false, ..MarketOptions::default() }).await;
    let mut customer = market.customer().await;
    let mut tight = market.config.clone();
    tight.slots.lockdown.max_grants.insert("handler:5050".into(), vec!["progress".into()]);
    let refused = format!("{:#}", market.node().reload(&tight).await.unwrap_err());
    assert!(refused.contains("handler:5050") && refused.contains("inference"), "{refused}");
    assert_eq!(audit(&market, 1), ["reload handler:5050 unavailable"]);
    let path = file(market.folder.path(), "hostile_pricing");
    let shadow =
        SlotChange::Install { slot: "pricing".into(), guest: guest(&path, &[]), shadow: true };
    market.node().change(&shadow).await.unwrap();
    let mut signed = market.config.clone();
    signed.slots.lockdown.require_signature = true;
    market.node().reload(&signed).await.unwrap();
    let shadows = async || {
        let all = market.node().status().guests().await;
        all.into_iter().filter(|one: &SlotStatus| one.role == "shadow").count()
    };
    assert_eq!(
        (shadows().await, audit(&market, 1)),
        (0, vec!["shadow_removed pricing done".to_owned()])
    );
    market.node().reload(&market.config).await.unwrap();
    market.node().change(&install("pricing", guest(&path, &[]))).await.unwrap();
    assert!(market.node().reload(&signed).await.is_err());
    assert_eq!(audit(&market, 1), ["reload pricing unavailable"]);
    assert_eq!(serving(&market, "pricing").await.name, "hostile-pricing");
    let job = customer.ask(vec![text("hello")]).await;
    assert_eq!(customer.result(job).await.content, "hello");
}

/// Goal: stricter rules let earlier jobs end, and report their number. Method: a running job under
/// an unsigned pricing that is replaced; then releases for all.
#[tokio::test(flavor = "multi_thread")]
async fn reload_reports_jobs_of_guests_that_the_new_rules_refuse() {
    let market = TestMarket::start(MarketOptions {
        script: Script::Wait,
        wallet: false,
        ..MarketOptions::default()
    })
    .await;
    let path = file(market.folder.path(), "hostile_pricing");
    market.node().change(&install("pricing", guest(&path, &[]))).await.unwrap();
    let mut customer = market.customer().await;
    let job = customer.ask(vec![text("before")]).await;
    market.wait_until(job, |state| state.execution == Execution::Processing).await;
    market.node().change(&install("pricing", guest("token_pricing", &[]))).await.unwrap();
    assert_eq!(market.node().reload(&market.config).await.unwrap().warnings, [""; 0]);
    let mut signed = market.config.clone();
    signed.slots.lockdown.require_signature = true;
    let warnings = market.node().reload(&signed).await.unwrap().warnings;
    assert!(
        matches!(&warnings[..], [one] if one.contains("now: 1; they continue for at most 3")),
        "{warnings:?}"
    );
    (0..2).for_each(|_| market.stub.release());
    assert_eq!(customer.result(job).await.content, "before");
    assert_eq!(market.node().reload(&signed).await.unwrap().warnings, [""; 0]);
}

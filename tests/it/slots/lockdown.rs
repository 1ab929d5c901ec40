//! What is locked down stays so: no way round by going back, by waiting, or by rules that come later.

use super::steps::{NOW, Shop, beside, deletion, release};
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
use pylon_sandbox::Compiling;
use pylon_slots::Config;
use pylon_slots::{Ledger, Slots, sandbox};
use pylon_tests::stage::{PATIENCE, Set, Stage, text};
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

/// Goal: what the settings grant in a slot holds for whoever comes there, and however. Method: a handler that had all it wants, put back and approved
/// under settings that grant less.
#[tokio::test(flavor = "multi_thread")]
async fn the_settings_grant_what_comes_back() {
    let shop = Shop::open(&Config::default());
    let more = guest(shop.file(component("hostile_handler")), &[]);
    let none = guest(shop.file(component("probe")), &[]);
    shop.carry_out(install(SLOT, none.clone())).await.unwrap();
    shop.carry_out(install(SLOT, more)).await.unwrap_err();
    let less = granting(&["progress"]);
    let shop = shop.under(&less);
    let refused =
        shop.carry_out(SlotChange::Approve { slot: SLOT.into(), digest: None }).await.unwrap_err();
    assert!(refused.code == "gone" && refused.why.contains("inference"), "{refused:?}");
    let shop = shop.under(&Config::default());
    shop.carry_out(SlotChange::Approve { slot: SLOT.into(), digest: None }).await.unwrap();
    shop.carry_out(install(SLOT, none)).await.unwrap();
    let shop = shop.under(&less);
    for to in [None, Some(2)] {
        let refused =
            shop.carry_out(SlotChange::Rollback { slot: SLOT.into(), to }).await.unwrap_err();
        assert!(refused.code == "gone" && refused.why.contains("inference"), "{refused:?}");
    }
    shop.under(&Config::default())
        .carry_out(SlotChange::Rollback { slot: SLOT.into(), to: None })
        .await
        .unwrap();
}

/// Goal: what is approved is what was seen. Method: another guest waits by the time that the first is approved.
#[tokio::test(flavor = "multi_thread")]
async fn approved_as_it_was_seen() {
    let shop = Shop::open(&Config::default());
    shop.carry_out(install(SLOT, guest(shop.file(component("probe")), &[]))).await.unwrap();
    shop.carry_out(install(SLOT, guest(shop.file(component("hostile_handler")), &[])))
        .await
        .unwrap_err();
    let deed = |digest| SlotChange::Approve { slot: SLOT.into(), digest: Some(digest) };
    let refused = shop.carry_out(deed(Digest::of(b"what was seen"))).await.unwrap_err();
    assert!(refused.code == "digest" && refused.why.contains("hostile-handler"), "{refused:?}");
    shop.carry_out(deed(Digest::of(component("hostile_handler")))).await.unwrap();
}

/// Goal: nobody is approved against a guest that is gone. Method: the slot changes otherwise while a guest waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn passed_over() {
    let shop = Shop::open(&Config::default());
    let more = guest(shop.file(component("hostile_handler")), &[]);
    shop.carry_out(install(SLOT, guest(shop.file(component("probe")), &[]))).await.unwrap();
    let approve = || SlotChange::Approve { slot: SLOT.into(), digest: None };
    shop.carry_out(install(SLOT, more.clone())).await.unwrap_err();
    shop.carry_out(approve()).await.unwrap();
    shop.carry_out(SlotChange::Rollback { slot: SLOT.into(), to: None }).await.unwrap();
    shop.carry_out(install(SLOT, more)).await.unwrap_err();
    shop.carry_out(SlotChange::Rollback { slot: SLOT.into(), to: Some(2) }).await.unwrap();
    assert_eq!(shop.carry_out(approve()).await.unwrap_err().code, "nothing");
    assert!(shop.journal.standbys().unwrap().is_empty());
}

/// Goal: a release that is over lets nobody in, by no way. Method: a guest signed for a minute, which is a shadow and then goes, and comes back late.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_ends() {
    let shop = Shop::open(&Config::default());
    let path = shop.file(component("hostile_pricing"));
    std::fs::write(
        beside(&path, "release"),
        release(&Keys::generate(), Digest::of(component("hostile_pricing")), Some(NOW.plus(60))),
    )
    .unwrap();
    let late = async |deed| {
        shop.workshop.carry_out(&deed, &shop.journal, NOW.plus(60)).await.map(|seated| seated.name)
    };
    let shadow =
        SlotChange::Install { slot: "pricing".into(), guest: guest(&path, &[]), shadow: true };
    shop.carry_out(shadow).await.unwrap();
    let refused = late(SlotChange::Activate { slot: "pricing".into() }).await.unwrap_err();
    assert!(refused.code == "gone" && refused.why.contains("expired"), "{refused:?}");
    shop.carry_out(SlotChange::Activate { slot: "pricing".into() }).await.unwrap();
    shop.carry_out(install("pricing", guest("token_pricing", &[]))).await.unwrap();
    let refused =
        late(SlotChange::Rollback { slot: "pricing".into(), to: None }).await.unwrap_err();
    assert!(refused.code == "gone" && refused.why.contains("expired"), "{refused:?}");
    shop.carry_out(SlotChange::Rollback { slot: "pricing".into(), to: None }).await.unwrap();
}

/// The guests of a node, as a start at this time puts them to work.
async fn start(shop: &Shop, config: &Config, now: UnixTime) -> Result<Slots, String> {
    let state = Home::at(shop.folder.path()).open().unwrap();
    let sandbox =
        sandbox(state.folder("cache").unwrap(), Compiling::Here, &config.lockdown).unwrap();
    let ledger = Ledger {
        history: shop.journal.installations().unwrap(),
        standbys: shop.journal.standbys().unwrap(),
    };
    let shelf = state.components().unwrap();
    let opened = Slots::open(
        sandbox,
        shelf,
        ledger,
        config,
        EgressPolicy::default(),
        Some(&shop.journal),
        now,
    )
    .await;
    opened.map(|(slots, _)| slots).map_err(|error| format!("{error:#}"))
}

/// Goal: where releases are asked for, one that is over serves no longer than until the next start or reload, and that is written down. Method: a pricing
/// that was signed for a minute; later, deleted where it came from, and deleted as far as this node has heard.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_ends_while_it_serves() {
    let locked = Config {
        lockdown: Lockdown { require_signature: true, ..Lockdown::default() },
        ..Config::default()
    };
    let shop = Shop::open(&locked);
    let (author, bytes) = (Keys::generate(), component("hostile_pricing"));
    let path = shop.file(bytes);
    let signed = release(&author, Digest::of(bytes), Some(NOW.plus(60)));
    std::fs::write(beside(&path, "release"), &signed).unwrap();
    shop.carry_out(install("pricing", guest(&path, &[]))).await.unwrap();
    let refused = async |config: &Config, now| {
        let error = start(&shop, config, now).await.map(drop).unwrap_err();
        let row = shop.journal.audit(1).unwrap().remove(0);
        assert_eq!(
            (row.action.as_str(), row.slot.as_str(), row.outcome.as_str()),
            ("start", "pricing", "gone")
        );
        error
    };
    let slots = start(&shop, &locked, NOW).await.unwrap();
    let reload =
        async |now| slots.workshop.reload(&locked, &shop.journal, now, async { Ok(()) }).await;
    reload(NOW).await.unwrap();
    assert!(format!("{:#}", reload(NOW.plus(60)).await.unwrap_err()).contains("expired"));
    assert!(refused(&locked, NOW.plus(60)).await.contains("expired"));
    start(&shop, &Config::default(), NOW.plus(60)).await.unwrap();

    std::fs::write(beside(&path, "deletion"), deletion(&author, &signed)).unwrap();
    assert!(refused(&locked, NOW).await.contains("deleted by its author"));
    assert_eq!(
        shop.carry_out(install("pricing", guest(&path, &[]))).await.unwrap_err().code,
        "signature"
    );
    std::fs::remove_file(beside(&path, "deletion")).unwrap();
    assert!(refused(&locked, NOW).await.contains("deleted by its author"));
}

fn locked() -> Config {
    Config {
        lockdown: Lockdown { require_signature: true, ..Lockdown::default() },
        ..Config::default()
    }
}

/// The component with a release beside it that ends then.
fn signed_until(shop: &Shop, name: &str, end: Option<UnixTime>) -> PathBuf {
    let path = shop.file(component(name));
    std::fs::write(
        beside(&path, "release"),
        release(&Keys::generate(), Digest::of(component(name)), end),
    )
    .unwrap();
    path
}

/// Goal: whose release is over goes while the node runs, and who can be had comes. Method: a pricing over the shipped one, a handler over nobody and a shadow,
/// each until another moment; then a pricing whose author withdraws it.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_over_goes() {
    let shop = Shop::open(&locked());
    let slots = start(&shop, &locked(), NOW).await.unwrap();
    let workshop = &slots.workshop;
    let change =
        async |deed: SlotChange| workshop.carry_out(&deed, &shop.journal, NOW).await.unwrap();
    let told = || {
        let row = shop.journal.audit(1).unwrap().remove(0);
        (format!("{} {} {}", row.action, row.slot, row.outcome), row.detail)
    };
    change(install(
        "pricing",
        guest(signed_until(&shop, "hostile_pricing", Some(NOW.plus(60))), &[]),
    ))
    .await;
    change(install(SLOT, guest(signed_until(&shop, "probe", Some(NOW.plus(90))), &[]))).await;
    let asked = guest(signed_until(&shop, "hostile_verification", Some(NOW.plus(75))), &[]);
    change(SlotChange::Install { slot: "verification".into(), guest: asked, shadow: true }).await;
    let at = async |seconds: u64| {
        workshop.hold_to_releases(&shop.journal, NOW.plus(seconds)).await;
        workshop.next_end(NOW.plus(seconds)).await.map(|end| end.since(NOW))
    };
    assert_eq!((at(59).await, told().0.as_str()), (Some(60), "shadow verification done"));
    let (end, (row, why)) = (at(60).await, told());
    assert_eq!((end, row.as_str()), (Some(75), "rollback pricing done"));
    assert!(why.contains("hostile-pricing") && why.contains("expired"), "{why}");
    assert_eq!((at(75).await, told().0.as_str()), (Some(90), "shadow verification gone"));
    assert!(shop.journal.standbys().unwrap().is_empty());
    assert_eq!(
        (at(90).await, told().0.as_str(), slots.kinds()),
        (None, "remove handler:5999 done", vec![5050])
    );
    let pricing = async || {
        let all = workshop.seated().await;
        all.into_iter().find(|one| one.slot == "pricing").unwrap().name
    };
    assert_eq!(pricing().await, "token_pricing");

    let author = Keys::generate();
    let path = shop.signed(&author, component("hostile_pricing"));
    let signed = std::fs::read_to_string(beside(&path, "release")).unwrap();
    change(install("pricing", guest(path, &[]))).await;
    let kept =
        format!(".openagents/pylon/guests/{}.deletion.json", Event::from_json(&signed).unwrap().id);
    std::fs::write(shop.folder.path().join(kept), deletion(&author, &signed)).unwrap();
    assert_eq!((at(90).await, pricing().await.as_str()), (None, "token_pricing"));
    assert!(told().1.contains("deleted by its author"));
}

/// Goal: who should have gone and could not is looked at again. Method: a pricing and a shadow whose releases end while the journal cannot be written.
#[tokio::test(flavor = "multi_thread")]
async fn who_could_not_go_goes_later() {
    let shop = Shop::open(&locked());
    let slots = start(&shop, &locked(), NOW).await.unwrap();
    let workshop = &slots.workshop;
    let pricing =
        install("pricing", guest(signed_until(&shop, "hostile_pricing", Some(NOW.plus(60))), &[]));
    workshop.carry_out(&pricing, &shop.journal, NOW).await.unwrap();
    let asked = guest(signed_until(&shop, "hostile_verification", Some(NOW.plus(60))), &[]);
    let shadow = SlotChange::Install { slot: "verification".into(), guest: asked, shadow: true };
    workshop.carry_out(&shadow, &shop.journal, NOW).await.unwrap();
    let books = rusqlite::Connection::open(Home::at(shop.folder.path()).database()).unwrap();
    books
        .execute_batch(
            "CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .unwrap();
    let at = async |seconds: u64| {
        workshop.hold_to_releases(&shop.journal, NOW.plus(seconds)).await;
        let left = workshop.seated().await;
        let there = left
            .iter()
            .filter(|one| one.name == "hostile-pricing" || one.standing == "shadow")
            .count();
        (there, workshop.next_end(NOW.plus(seconds)).await.map(|end| end.since(NOW)))
    };
    assert_eq!(at(60).await, (2, Some(660)));
    books.execute_batch("DROP TRIGGER no").unwrap();
    assert_eq!(at(660).await, (0, None));
}

/// Goal: what the settings name serves again once its release is renewed. Method: a handler of the settings whose release ends, a reload and a start before it
/// is signed anew, then a reload, a rollback of the same, and a start.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_release_brings_it_back() {
    let shop = Shop::open(&locked());
    let path = signed_until(&shop, "probe", Some(NOW.plus(60)));
    let mut config = locked();
    config.guests.insert(SLOT.into(), guest(&path, &[]));
    let slots = start(&shop, &config, NOW).await.unwrap();
    let reload = async |seconds| {
        let done = slots
            .workshop
            .reload(&config, &shop.journal, NOW.plus(seconds), async { Ok(()) })
            .await
            .unwrap();
        (done.keys, done.refused.join(" "))
    };
    let key = || vec![format!("guests.\"{SLOT}\"")];
    let back = SlotChange::Rollback { slot: SLOT.into(), to: None };
    slots.workshop.hold_to_releases(&shop.journal, NOW.plus(60)).await;
    assert_eq!(slots.kinds(), [5050]);
    let (came, refused) = reload(60).await;
    assert!(
        came.is_empty() && refused.contains(SLOT) && refused.contains("expired"),
        "{came:?} {refused}"
    );
    assert_eq!(start(&shop, &config, NOW.plus(60)).await.unwrap().kinds(), [5050]);
    let refused = slots.workshop.carry_out(&back, &shop.journal, NOW.plus(60)).await.unwrap_err();
    assert!(refused.code == "gone" && refused.why.contains("expired"), "{refused:?}");

    signed_until(&shop, "probe", Some(NOW.plus(120)));
    assert_eq!(reload(61).await, (key(), String::new()));
    assert_eq!(slots.kinds(), [5050, 5999]);
    assert_eq!(reload(61).await, (Vec::new(), String::new()));

    slots.workshop.hold_to_releases(&shop.journal, NOW.plus(120)).await;
    assert_eq!(slots.kinds(), [5050]);
    slots.workshop.carry_out(&back, &shop.journal, NOW.plus(100)).await.unwrap();
    assert_eq!((slots.kinds(), reload(100).await), (vec![5050, 5999], (Vec::new(), String::new())));

    slots.workshop.hold_to_releases(&shop.journal, NOW.plus(120)).await;
    signed_until(&shop, "probe", Some(NOW.plus(180)));
    assert_eq!(start(&shop, &config, NOW.plus(121)).await.unwrap().kinds(), [5050, 5999]);
}

/// Goal: a node sees by itself that the release of a shadow ends. Method: a shadow that is signed for some seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_ends_by_itself() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let path = file(stage.folder.path(), "hostile_pricing");
    let mut signed = stage.config.clone();
    signed.slots.lockdown.require_signature = true;
    stage.node().reload(&signed).await.unwrap();
    let author = Keys::generate();
    // On a crowded machine it may be over before it is asked.
    for seconds in [2, 20, 200] {
        let end = SystemClock.now().plus(seconds);
        std::fs::write(
            beside(&path, "release"),
            release(&author, Digest::of(component("hostile_pricing")), Some(end)),
        )
        .unwrap();
        let shadow =
            SlotChange::Install { slot: "pricing".into(), guest: guest(&path, &[]), shadow: true };
        if stage.node().change(&shadow).await.is_ok() {
            break;
        }
    }
    let shadows = async || {
        stage
            .node()
            .facts()
            .guests()
            .await
            .into_iter()
            .filter(|one| one.standing == "shadow")
            .count()
    };
    until(&stage, "taken out", async || shadows().await == 0).await;
    assert_eq!(audit(&stage, 1), ["shadow pricing gone"]);
}

/// Goal: a node sees by itself that a release ends. Method: a pricing that is signed for some seconds, under rules that ask for releases.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_ends_by_itself() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let path = file(stage.folder.path(), "hostile_pricing");
    let mut signed = stage.config.clone();
    signed.slots.lockdown.require_signature = true;
    let author = Keys::generate();
    // On a crowded machine it may be over before it serves.
    for seconds in [2, 20, 200] {
        let end = SystemClock.now().plus(seconds);
        std::fs::write(
            beside(&path, "release"),
            release(&author, Digest::of(component("hostile_pricing")), Some(end)),
        )
        .unwrap();
        let installed = stage.node().change(&install("pricing", guest(&path, &[]))).await;
        if installed.is_ok() && stage.node().reload(&signed).await.is_ok() {
            break;
        }
    }
    until(&stage, "taken out", async || serving(&stage, "pricing").await.name == "token_pricing")
        .await;
    assert_eq!(audit(&stage, 1), ["rollback pricing done"]);
    let mut customer = stage.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    assert_eq!(customer.result(job).await.content, "hello");
}

/// Goal: a node that has started asks where its guests came from whether they are withdrawn, and does not wait for the answer. Method: a guest of an address
/// that takes the connection and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn asked_once_it_runs() {
    let mut stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let path = file(stage.folder.path(), "hostile_pricing");
    std::fs::write(
        beside(&path, "release"),
        release(&Keys::generate(), Digest::of(component("hostile_pricing")), None),
    )
    .unwrap();
    stage.node().change(&install("pricing", guest(&path, &[]))).await.unwrap();
    stage.stop(Duration::ZERO).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let books =
        rusqlite::Connection::open(stage.folder.path().join(".openagents/pylon/pylon.db")).unwrap();
    let source = format!("https://{}/a.wasm", silent.local_addr().unwrap());
    books.execute("UPDATE slot_changes SET source = ?1 WHERE cause = 'install'", [source]).unwrap();
    drop(books);
    stage.config.slots.lockdown.require_signature = true;
    stage.start().await;
    let _asked = timeout(PATIENCE, silent.accept()).await.unwrap().unwrap();
    let mut customer = stage.customer().await;
    let job = customer.ask(vec![text("hello")]).await;
    assert_eq!(customer.result(job).await.content, "hello");
}

/// Goal: rules that come later hold at once, or are refused with a record of it. Method: a node that runs; fewer grants than its handler lives with, then
/// releases for all, with an unsigned shadow and then an unsigned pricing.
#[tokio::test(flavor = "multi_thread")]
async fn rules_that_come_later() {
    let stage = Stage::set(Set { wallet: false, ..Set::default() }).await;
    let mut customer = stage.customer().await;
    let mut tight = stage.config.clone();
    tight.slots.lockdown.max_grants.insert("handler:5050".into(), vec!["progress".into()]);
    let refused = format!("{:#}", stage.node().reload(&tight).await.unwrap_err());
    assert!(refused.contains("handler:5050") && refused.contains("inference"), "{refused}");
    assert_eq!(audit(&stage, 1), ["reload handler:5050 gone"]);
    let path = file(stage.folder.path(), "hostile_pricing");
    let shadow =
        SlotChange::Install { slot: "pricing".into(), guest: guest(&path, &[]), shadow: true };
    stage.node().change(&shadow).await.unwrap();
    let mut signed = stage.config.clone();
    signed.slots.lockdown.require_signature = true;
    stage.node().reload(&signed).await.unwrap();
    let shadows = async || {
        let all = stage.node().facts().guests().await;
        all.into_iter().filter(|one: &SlotStatus| one.standing == "shadow").count()
    };
    assert_eq!((shadows().await, audit(&stage, 1)), (0, vec!["reload pricing gone".to_owned()]));
    stage.node().reload(&stage.config).await.unwrap();
    stage.node().change(&install("pricing", guest(&path, &[]))).await.unwrap();
    assert!(stage.node().reload(&signed).await.is_err());
    assert_eq!(audit(&stage, 1), ["reload pricing gone"]);
    assert_eq!(serving(&stage, "pricing").await.name, "hostile-pricing");
    let job = customer.ask(vec![text("hello")]).await;
    assert_eq!(customer.result(job).await.content, "hello");
}

/// Goal: rules that come later let the jobs of before end, and say how many those are. Method: a job at work under an unsigned pricing that is replaced;
/// then releases for all.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_before_are_told() {
    let stage = Stage::set(Set { script: Script::Wait, wallet: false, ..Set::default() }).await;
    let path = file(stage.folder.path(), "hostile_pricing");
    stage.node().change(&install("pricing", guest(&path, &[]))).await.unwrap();
    let mut customer = stage.customer().await;
    let job = customer.ask(vec![text("before")]).await;
    stage.until(job, |state| state.execution == Execution::Processing).await;
    stage.node().change(&install("pricing", guest("token_pricing", &[]))).await.unwrap();
    assert_eq!(stage.node().reload(&stage.config).await.unwrap().warnings, [""; 0]);
    let mut signed = stage.config.clone();
    signed.slots.lockdown.require_signature = true;
    let warnings = stage.node().reload(&signed).await.unwrap().warnings;
    assert!(
        matches!(&warnings[..], [one] if one.contains("refuses now: 1, for 3")),
        "{warnings:?}"
    );
    (0..2).for_each(|_| stage.stub.release());
    assert_eq!(customer.result(job).await.content, "before");
    assert_eq!(stage.node().reload(&signed).await.unwrap().warnings, [""; 0]);
}

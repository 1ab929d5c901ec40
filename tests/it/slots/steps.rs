//! The way of a component into a slot: every step has its word, in its order, and whatever stops there changes nothing.

use super::{guest, install};
use crate::component;
use nostr_sdk::prelude::{Event, EventBuilder, JsonUtil, Keys, Kind, Tag};
use pylon_core::ports::installations::Installations;
use pylon_core::slots::{GuestConfig, Lockdown};
use pylon_core::slots::{SlotChange, SlotStatus};
use pylon_core::{Digest, UnixTime};
use pylon_egress::policy::EgressPolicy;
use pylon_journal::SqliteJournal;
use pylon_node::home::Home;
use pylon_nostr::release::{Claim, sign};
use pylon_sandbox::Compiling;
use pylon_slots::Config;
use pylon_slots::{Ledger, Stop, Workshop, sandbox};
use std::path::PathBuf;
use tempfile::TempDir;

pub(super) const NOW: UnixTime = UnixTime::new(1_800_000_000);

/// A node's workshop without the node.
pub(super) struct Shop {
    pub(super) folder: TempDir,
    pub(super) journal: SqliteJournal,
    pub(super) workshop: Workshop,
}

impl Shop {
    pub(super) fn open(config: &Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        home.open().unwrap();
        let journal = SqliteJournal::open(&home.database()).unwrap();
        let workshop = workshop(&folder, &journal, config);
        Self { folder, journal, workshop }
    }

    /// The same home under other settings.
    pub(super) fn under(self, config: &Config) -> Self {
        Self { workshop: workshop(&self.folder, &self.journal, config), ..self }
    }

    pub(super) async fn carry_out(&self, deed: SlotChange) -> Result<SlotStatus, Stop> {
        self.workshop.carry_out(&deed, &self.journal, NOW).await
    }

    /// It stops at this step, nothing is installed by it, and it is written down.
    pub(super) async fn stops(&self, code: &str, slot: &str, guest: GuestConfig) -> String {
        let before = self.journal.installations().unwrap();
        let stop =
            self.carry_out(install(slot, guest)).await.map(|seated| seated.name).unwrap_err();
        assert_eq!(stop.code, code, "{}", stop.why);
        assert!(!stop.why.contains('\n'), "{}", stop.why);
        assert_eq!(self.journal.installations().unwrap(), before);
        let row = self.journal.audit(1).unwrap().remove(0);
        assert_eq!(
            (row.action.as_str(), row.slot.as_str(), row.outcome.as_str()),
            ("install", slot, code)
        );
        stop.why
    }

    /// The component as a file, without a release.
    pub(super) fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(format!("{}.wasm", Digest::of(bytes).short()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The component with its author's release beside it.
    pub(super) fn signed(&self, author: &Keys, bytes: &[u8]) -> PathBuf {
        let path = self.file(bytes);
        std::fs::write(beside(&path, "release"), release(author, Digest::of(bytes), None)).unwrap();
        path
    }
}

fn workshop(folder: &TempDir, journal: &SqliteJournal, config: &Config) -> Workshop {
    let state = Home::at(folder.path()).open().unwrap();
    let sandbox =
        sandbox(state.folder("cache").unwrap(), Compiling::Here, &config.lockdown).unwrap();
    let shelf = state.components().unwrap();
    let ledger =
        Ledger { history: journal.installations().unwrap(), standbys: journal.standbys().unwrap() };
    Workshop::offline(sandbox, shelf, ledger, config, EgressPolicy::default())
}

pub(super) fn beside(component: &std::path::Path, what: &str) -> PathBuf {
    format!("{}.{what}.json", component.display()).into()
}

pub(super) fn release(author: &Keys, digest: Digest, expires_at: Option<UnixTime>) -> String {
    sign(
        author,
        &Claim { digest, size: 1, name: "a".into(), version: "1".into() },
        NOW.minus(60),
        expires_at,
    )
    .unwrap()
}

pub(super) fn deletion(author: &Keys, release: &str) -> String {
    let id = Event::from_json(release).unwrap().id;
    EventBuilder::new(Kind::EventDeletion, "")
        .tag(Tag::event(id))
        .sign_with_keys(author)
        .unwrap()
        .as_json()
}

fn locked_to(author: &Keys) -> Config {
    let lockdown =
        Lockdown { trusted_publishers: vec![author.public_key().to_hex()], ..Lockdown::default() };
    Config { lockdown, ..Config::default() }
}

/// Goal: the steps come in their order, each with its word. Method: a component with everything wrong, which is put right one thing at a time.
#[tokio::test(flavor = "multi_thread")]
async fn each_step_has_its_word() {
    let author = Keys::generate();
    let shop = Shop::open(&locked_to(&author));
    let wrong_digest = |path: PathBuf| GuestConfig {
        digest: Digest::of(b"other").to_hex(),
        ..guest(path, &[("no-such", "1")])
    };
    let at = |path: PathBuf| guest(path, &[("no-such", "1")]);
    shop.stops("source", "pricing", at("/no/such/file.wasm".into())).await;
    shop.stops("size", "pricing", wrong_digest(shop.file(&vec![0; (32 << 20) + 1]))).await;
    shop.stops("digest", "pricing", wrong_digest(shop.file(b"garbage"))).await;
    shop.stops("signature", "pricing", at(shop.file(b"garbage"))).await;
    shop.stops("publisher", "pricing", at(shop.signed(&Keys::generate(), b"garbage"))).await;
    shop.stops("component", "pricing", at(shop.signed(&author, b"garbage"))).await;
    shop.stops("world", "pricing", at(shop.signed(&author, component("hostile_routing")))).await;
    shop.stops("import", "pricing", at(shop.signed(&author, component("std_pricing")))).await;
    shop.stops("describe", "pricing", at(shop.signed(&author, component("endless_describe"))))
        .await;
    shop.stops("about", "routing", at(shop.signed(&author, component("nameless")))).await;
    shop.stops("slot", "handler:5000", at(shop.signed(&author, component("probe")))).await;
    let setting = shop
        .stops("setting", "pricing", at(shop.signed(&author, component("hostile_pricing"))))
        .await;
    assert!(setting.contains("there is `do`"), "{setting}");
    let good = guest(shop.signed(&author, component("hostile_pricing")), &[("do", "answer")]);
    let seated = shop.carry_out(install("pricing", good)).await.unwrap();
    assert_eq!((seated.name.as_str(), seated.generation), ("hostile-pricing", Some(1)));
    assert_eq!(seated.publisher.unwrap().to_hex(), author.public_key().to_hex());
    let shelf = shop.folder.path().join(".openagents/pylon/guests");
    let kept = std::fs::read_to_string(shelf.join(format!(
        "{}.{}.release.json",
        seated.digest,
        author.public_key().to_hex()
    )))
    .unwrap();
    assert_eq!(Event::from_json(kept).unwrap().pubkey, author.public_key());
}

/// Goal: a release that does not hold stops a guest even where none is asked for. Method: one release of each sort.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_does_not_hold() {
    let shop = Shop::open(&Config::default());
    let author = Keys::generate();
    let bytes = component("hostile_pricing");
    let digest = Digest::of(bytes);
    let path = shop.file(bytes);
    let good = release(&author, digest, None);
    for (what, text, deleted) in [
        ("no signed event", "{}".to_owned(), None),
        ("about another component", release(&author, Digest::of(b"other"), None), None),
        ("expired", release(&author, digest, Some(NOW)), None),
        ("signature", good.replace("\"a 1\"", "\"b 1\""), None),
        ("deleted by its author", good.clone(), Some(deletion(&author, &good))),
    ] {
        std::fs::write(beside(&path, "release"), text).unwrap();
        if let Some(text) = deleted {
            std::fs::write(beside(&path, "deletion"), text).unwrap();
        }
        let why = shop.stops("signature", "pricing", guest(&path, &[])).await;
        assert!(why.contains(what), "{what}: {why}");
    }
    // What is known to be withdrawn stays so; another release by the same author holds, whatever a stranger withdraws.
    std::fs::remove_file(beside(&path, "deletion")).unwrap();
    assert!(
        shop.stops("signature", "pricing", guest(&path, &[]))
            .await
            .contains("deleted by its author")
    );
    let anew = release(&author, digest, Some(NOW.plus(9)));
    std::fs::write(beside(&path, "deletion"), deletion(&Keys::generate(), &anew)).unwrap();
    std::fs::write(beside(&path, "release"), anew).unwrap();
    shop.carry_out(install("pricing", guest(&path, &[]))).await.unwrap();
}

/// Goal: what one author says of a component replaces nothing that another says of it, nor what he said before. Method: releases of two, both of which must be
/// had to go back; then two withdrawn by one and one by the other, each of which is tried again without the word beside it.
#[tokio::test(flavor = "multi_thread")]
async fn each_author_speaks_for_himself() {
    let authors = [Keys::generate(), Keys::generate()];
    let trusted_publishers = authors.iter().map(|author| author.public_key().to_hex()).collect();
    let shop = Shop::open(&Config {
        lockdown: Lockdown { trusted_publishers, ..Lockdown::default() },
        ..Config::default()
    });
    let bytes = component("hostile_pricing");
    let [first, second] = &authors;
    for author in [first, second] {
        let path = shop.signed(author, bytes);
        shop.carry_out(install("pricing", guest(path, &[]))).await.unwrap();
    }
    for (generation, author) in [(1, first), (2, second)] {
        let back = shop
            .carry_out(SlotChange::Rollback { slot: "pricing".into(), to: Some(generation) })
            .await
            .unwrap();
        assert_eq!(back.publisher.unwrap().to_hex(), author.public_key().to_hex());
    }
    let path = shop.file(bytes);
    let releases = [(first, 9), (first, 10), (second, 11)].map(|(author, seconds)| {
        (author, release(author, Digest::of(bytes), Some(NOW.plus(seconds))))
    });
    for withdrawn in [true, false] {
        for (author, signed) in &releases {
            std::fs::write(beside(&path, "release"), signed).unwrap();
            if withdrawn {
                std::fs::write(beside(&path, "deletion"), deletion(author, signed)).unwrap();
            }
            let why = shop.stops("signature", "pricing", guest(&path, &[])).await;
            assert!(why.contains("deleted by its author"), "{why}");
            if withdrawn {
                std::fs::remove_file(beside(&path, "deletion")).unwrap();
            }
        }
    }
}

/// Goal: who wants more than the slot had waits, and gets it only if the operator agrees, and never beyond the most that may be. Method: a handler
/// without wants, then one with two.
#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_slot_had() {
    let mut config = Config::default();
    let shop = Shop::open(&config);
    let slot = "handler:5999";
    let more = |shop: &Shop| guest(shop.file(component("hostile_handler")), &[]);
    shop.carry_out(install(slot, guest(shop.file(component("probe")), &[]))).await.unwrap();
    let why = shop.stops("grant", slot, more(&shop)).await;
    assert!(why.contains("inference, progress") && why.contains("pylon guest approve"), "{why}");
    let waiting =
        shop.workshop.seated().await.into_iter().find(|one| one.standing == "approval").unwrap();
    assert_eq!(
        (waiting.name.as_str(), waiting.beyond.join(" ")),
        ("hostile-handler", "inference progress".into())
    );
    assert_eq!(shop.journal.standbys().unwrap().len(), 1, "it waits over a restart, too");
    let seated =
        shop.carry_out(SlotChange::Approve { slot: slot.into(), digest: None }).await.unwrap();
    assert_eq!(
        (seated.name.as_str(), seated.grants.join(" ")),
        ("hostile-handler", "inference progress".into())
    );
    assert!(shop.journal.standbys().unwrap().is_empty());
    assert_eq!(
        shop.carry_out(SlotChange::Approve { slot: slot.into(), digest: None })
            .await
            .unwrap_err()
            .code,
        "nothing"
    );
    let again = shop.carry_out(install(slot, more(&shop))).await.unwrap();
    assert_eq!(again.grants.join(" "), "inference progress", "the slot has it now");
    config.lockdown.max_grants.insert(slot.into(), vec!["progress".into()]);
    let shop = Shop::open(&config);
    shop.stops("import", slot, more(&shop)).await;
    shop.carry_out(install(slot, guest(shop.file(component("probe")), &[]))).await.unwrap();
    shop.stops("import", slot, more(&shop)).await;
}

/// Goal: what an operator bounds is bounded. Method: fuel for less than an answer.
#[tokio::test(flavor = "multi_thread")]
async fn bounds_of_the_operator() {
    let shop = Shop::open(&Config::default());
    let table = |fuel| GuestConfig {
        bounds: [("fuel".to_owned(), fuel)].into(),
        ..guest("token_pricing", &[])
    };
    shop.stops("describe", "pricing", table(10)).await;
    shop.carry_out(install("pricing", table(5_000_000))).await.unwrap();
    let history = shop.journal.installations().unwrap();
    assert_eq!(history[0].guest.as_ref().unwrap().limits["fuel"], 5_000_000);
}

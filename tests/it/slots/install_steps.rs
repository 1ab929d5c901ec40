//! Installation of a component: each step has its error code, in order, and a failed one changes
//! nothing.

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
use pylon_sandbox::Compilation;
use pylon_slots::Config;
use pylon_slots::{InstallFailure, SlotHistory, SlotManager, sandbox};
use std::path::PathBuf;
use tempfile::TempDir;

pub(super) const NOW: UnixTime = UnixTime::new(1_800_000_000);

/// The slots of a home without a running node.
pub(super) struct OfflineSlots {
    pub(super) folder: TempDir,
    pub(super) journal: SqliteJournal,
    pub(super) manager: SlotManager,
}

impl OfflineSlots {
    pub(super) fn open(config: &Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        home.open().unwrap();
        let journal = SqliteJournal::open(&home.database()).unwrap();
        let manager = manager(&folder, &journal, config);
        Self { folder, journal, manager }
    }

    /// The same home under other settings.
    pub(super) fn under(self, config: &Config) -> Self {
        Self { manager: manager(&self.folder, &self.journal, config), ..self }
    }

    pub(super) async fn apply(&self, change: SlotChange) -> Result<SlotStatus, InstallFailure> {
        self.manager.apply(&change, &self.journal, NOW).await
    }

    /// Checks that an installation fails at this step, changes no slot, and is recorded.
    pub(super) async fn fails_at(&self, code: &str, slot: &str, guest: GuestConfig) -> String {
        let before = self.journal.installations().unwrap();
        let failure = self.apply(install(slot, guest)).await.map(|status| status.name).unwrap_err();
        assert_eq!(failure.code, code, "{}", failure.message);
        assert!(!failure.message.contains('\n'), "{}", failure.message);
        assert_eq!(self.journal.installations().unwrap(), before);
        let row = self.journal.audit(1).unwrap().remove(0);
        assert_eq!(
            (row.action.as_str(), row.slot.as_str(), row.outcome.as_str()),
            ("install", slot, code)
        );
        failure.message
    }

    /// Writes the component to a file, without a release.
    pub(super) fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(format!("{}.wasm", Digest::of(bytes).short()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes the component to a file, with a release of its author next to it.
    pub(super) fn signed(&self, author: &Keys, bytes: &[u8]) -> PathBuf {
        let path = self.file(bytes);
        std::fs::write(sidecar(&path, "release"), release(author, Digest::of(bytes), None))
            .unwrap();
        path
    }
}

fn manager(folder: &TempDir, journal: &SqliteJournal, config: &Config) -> SlotManager {
    let state = Home::at(folder.path()).open().unwrap();
    let sandbox =
        sandbox(state.folder("cache").unwrap(), Compilation::InProcess, &config.lockdown).unwrap();
    let store = state.components().unwrap();
    let history = SlotHistory {
        installations: journal.installations().unwrap(),
        pending: journal.pending_guests().unwrap(),
    };
    SlotManager::offline(sandbox, store, history, config, EgressPolicy::default())
}

pub(super) fn sidecar(component: &std::path::Path, what: &str) -> PathBuf {
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

/// Goal: the steps run in order, each with its error code. Method: a component with everything
/// wrong, which is fixed one fault at a time.
#[tokio::test(flavor = "multi_thread")]
async fn each_install_step_has_its_code() {
    let author = Keys::generate();
    let offline = OfflineSlots::open(&locked_to(&author));
    let wrong_digest = |path: PathBuf| GuestConfig {
        digest: Digest::of(b"other").to_hex(),
        ..guest(path, &[("no-such", "1")])
    };
    let at = |path: PathBuf| guest(path, &[("no-such", "1")]);
    offline.fails_at("source", "pricing", at("/no/such/file.wasm".into())).await;
    offline.fails_at("size", "pricing", wrong_digest(offline.file(&vec![0; (32 << 20) + 1]))).await;
    offline.fails_at("digest", "pricing", wrong_digest(offline.file(b"garbage"))).await;
    offline.fails_at("signature", "pricing", at(offline.file(b"garbage"))).await;
    offline
        .fails_at("publisher", "pricing", at(offline.signed(&Keys::generate(), b"garbage")))
        .await;
    offline.fails_at("component", "pricing", at(offline.signed(&author, b"garbage"))).await;
    offline
        .fails_at("world", "pricing", at(offline.signed(&author, component("hostile_routing"))))
        .await;
    offline
        .fails_at("import", "pricing", at(offline.signed(&author, component("std_pricing"))))
        .await;
    offline
        .fails_at("describe", "pricing", at(offline.signed(&author, component("endless_describe"))))
        .await;
    offline
        .fails_at("manifest", "routing", at(offline.signed(&author, component("nameless"))))
        .await;
    offline.fails_at("slot", "handler:5000", at(offline.signed(&author, component("probe")))).await;
    let setting = offline
        .fails_at("setting", "pricing", at(offline.signed(&author, component("hostile_pricing"))))
        .await;
    assert!(setting.contains("expected one of `do`"), "{setting}");
    let good = guest(offline.signed(&author, component("hostile_pricing")), &[("do", "answer")]);
    let status = offline.apply(install("pricing", good)).await.unwrap();
    assert_eq!((status.name.as_str(), status.revision), ("hostile-pricing", Some(1)));
    assert_eq!(status.publisher.unwrap().to_hex(), author.public_key().to_hex());
    let store = offline.folder.path().join(".openagents/pylon/guests");
    let kept = std::fs::read_to_string(store.join(format!(
        "{}.{}.release.json",
        status.digest,
        author.public_key().to_hex()
    )))
    .unwrap();
    assert_eq!(Event::from_json(kept).unwrap().pubkey, author.public_key());
}

/// Goal: an invalid release stops a guest even where none is required. Method: one release of each
/// sort.
#[tokio::test(flavor = "multi_thread")]
async fn invalid_release_stops_an_install() {
    let offline = OfflineSlots::open(&Config::default());
    let author = Keys::generate();
    let bytes = component("hostile_pricing");
    let digest = Digest::of(bytes);
    let path = offline.file(bytes);
    let good = release(&author, digest, None);
    for (what, text, deleted) in [
        ("not a signed event", "{}".to_owned(), None),
        (
            "changed since it was signed; get it again from its author",
            release(&author, Digest::of(b"other"), None),
            None,
        ),
        ("expired", release(&author, digest, Some(NOW)), None),
        ("signature", good.replace("\"a 1\"", "\"b 1\""), None),
        ("deleted by its author", good.clone(), Some(deletion(&author, &good))),
    ] {
        std::fs::write(sidecar(&path, "release"), text).unwrap();
        if let Some(text) = deleted {
            std::fs::write(sidecar(&path, "deletion"), text).unwrap();
        }
        let why = offline.fails_at("signature", "pricing", guest(&path, &[])).await;
        assert!(why.contains(what), "{what}: {why}");
    }
    // A known deletion stays in force; another release by the same author is valid, whatever
    // another key deletes.
    std::fs::remove_file(sidecar(&path, "deletion")).unwrap();
    assert!(
        offline
            .fails_at("signature", "pricing", guest(&path, &[]))
            .await
            .contains("deleted by its author")
    );
    let renewed = release(&author, digest, Some(NOW.plus(9)));
    std::fs::write(sidecar(&path, "deletion"), deletion(&Keys::generate(), &renewed)).unwrap();
    std::fs::write(sidecar(&path, "release"), renewed).unwrap();
    offline.apply(install("pricing", guest(&path, &[]))).await.unwrap();
}

/// Goal: a release of one author replaces neither one of another author nor an earlier one of the
/// same. Method: releases of two authors, both of which a rollback needs; then two withdrawn by one
/// and one by the other, each of which is tried again without the deletion next to it.
#[tokio::test(flavor = "multi_thread")]
async fn releases_of_different_authors_are_independent() {
    let authors = [Keys::generate(), Keys::generate()];
    let trusted_publishers = authors.iter().map(|author| author.public_key().to_hex()).collect();
    let offline = OfflineSlots::open(&Config {
        lockdown: Lockdown { trusted_publishers, ..Lockdown::default() },
        ..Config::default()
    });
    let bytes = component("hostile_pricing");
    let [first, second] = &authors;
    for author in [first, second] {
        let path = offline.signed(author, bytes);
        offline.apply(install("pricing", guest(path, &[]))).await.unwrap();
    }
    for (revision, author) in [(1, first), (2, second)] {
        let back = offline
            .apply(SlotChange::Rollback { slot: "pricing".into(), to: Some(revision) })
            .await
            .unwrap();
        assert_eq!(back.publisher.unwrap().to_hex(), author.public_key().to_hex());
    }
    let path = offline.file(bytes);
    let releases = [(first, 9), (first, 10), (second, 11)].map(|(author, seconds)| {
        (author, release(author, Digest::of(bytes), Some(NOW.plus(seconds))))
    });
    for withdrawn in [true, false] {
        for (author, signed) in &releases {
            std::fs::write(sidecar(&path, "release"), signed).unwrap();
            if withdrawn {
                std::fs::write(sidecar(&path, "deletion"), deletion(author, signed)).unwrap();
            }
            let why = offline.fails_at("signature", "pricing", guest(&path, &[])).await;
            assert!(why.contains("deleted by its author"), "{why}");
            if withdrawn {
                std::fs::remove_file(sidecar(&path, "deletion")).unwrap();
            }
        }
    }
}

/// Goal: a guest that requests more than the slot had is pending until the operator approves, and
/// never gets more than the maximum. Method: a handler without requests, then one with two.
#[tokio::test(flavor = "multi_thread")]
async fn additional_capabilities_need_approval() {
    let mut config = Config::default();
    let offline = OfflineSlots::open(&config);
    let slot = "handler:5999";
    let more = |offline: &OfflineSlots| guest(offline.file(component("hostile_handler")), &[]);
    offline.apply(install(slot, guest(offline.file(component("probe")), &[]))).await.unwrap();
    let why = offline.fails_at("grant", slot, more(&offline)).await;
    assert!(why.contains("inference, progress") && why.contains("pylon guest approve"), "{why}");
    let waiting =
        offline.manager.status().await.into_iter().find(|one| one.role == "approval").unwrap();
    assert_eq!(
        (waiting.name.as_str(), waiting.extra_grants.join(" ")),
        ("hostile-handler", "inference progress".into())
    );
    assert_eq!(offline.journal.pending_guests().unwrap().len(), 1, "it waits over a restart, too");
    let status =
        offline.apply(SlotChange::Approve { slot: slot.into(), digest: None }).await.unwrap();
    assert_eq!(
        (status.name.as_str(), status.grants.join(" ")),
        ("hostile-handler", "inference progress".into())
    );
    assert!(offline.journal.pending_guests().unwrap().is_empty());
    assert_eq!(
        offline
            .apply(SlotChange::Approve { slot: slot.into(), digest: None })
            .await
            .unwrap_err()
            .code,
        "no_target"
    );
    let again = offline.apply(install(slot, more(&offline))).await.unwrap();
    assert_eq!(again.grants.join(" "), "inference progress", "the slot has it now");
    config.lockdown.max_grants.insert(slot.into(), vec!["progress".into()]);
    let offline = OfflineSlots::open(&config);
    offline.fails_at("import", slot, more(&offline)).await;
    offline.apply(install(slot, guest(offline.file(component("probe")), &[]))).await.unwrap();
    offline.fails_at("import", slot, more(&offline)).await;
}

/// Goal: limits of the operator apply. Method: fuel for less than an answer.
#[tokio::test(flavor = "multi_thread")]
async fn limits_of_the_operator_apply() {
    let offline = OfflineSlots::open(&Config::default());
    let table = |fuel| GuestConfig {
        limits: [("fuel".to_owned(), fuel)].into(),
        ..guest("token_pricing", &[])
    };
    offline.fails_at("describe", "pricing", table(10)).await;
    offline.apply(install("pricing", table(5_000_000))).await.unwrap();
    let history = offline.journal.installations().unwrap();
    assert_eq!(history[0].guest.as_ref().unwrap().limits["fuel"], 5_000_000);
}

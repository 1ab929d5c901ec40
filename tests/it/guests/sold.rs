//! A node that has sold something, for whoever looks back at it.

use pylon_core::machine::JobState;
use pylon_core::{JobId, Msat};
use pylon_journal::{ReadOnlyJournal, Retention, SqliteJournal, TextCipher};
use pylon_node::home::Home;
use pylon_nostr::identity::purpose_key;
use pylon_sandbox::{Config, Sandbox};
use pylon_slots::Past;
use pylon_tests::stage::{Customer, Set, Stage, bid, param, text};
use std::path::Path;
use std::time::Duration;

/// A node that has sold, refused and kept silent, and is stopped.
pub(super) struct Sold {
    pub(super) stage: Stage,
    /// Paid, in this order.
    pub(super) paid: Vec<JobId>,
    /// Delivered, never paid.
    pub(super) unpaid: JobId,
    /// Bid too little.
    pub(super) refused: JobId,
    /// In NIP-44.
    pub(super) confidential: JobId,
}

/// Words of the jobs that are paid.
const WORDS: [&str; 3] = ["one two three", "Grüße an alle", "a b c d e f g h"];

impl Sold {
    pub(super) async fn here() -> Self {
        let mut stage = Stage::set(Set::default()).await;
        let mut customer = stage.customer().await;
        let mut paid = Vec::new();
        for words in WORDS {
            let (job, bolt11) = buy(&stage, &mut customer, words).await;
            stage.bank.pay(&bolt11).unwrap();
            stage.until(job, JobState::is_closed).await;
            paid.push(job);
        }
        let (unpaid, _) = buy(&stage, &mut customer, "for nothing").await;
        let refused = customer.ask(vec![text("too cheap"), bid(1)]).await;
        customer.feedback(refused, "error").await;
        let hidden = pylon_nostr::nip90::RequestTag::Encrypted;
        let confidential = customer.ask(vec![text("a secret"), bid(50_000), hidden]).await;
        customer.result(confidential).await;
        stage.until(confidential, |state| state.output.is_none() && state.is_over()).await;
        stage.stop(Duration::ZERO).await;
        Self { stage, paid, unpaid, refused, confidential }
    }

    pub(super) fn home(&self) -> Home {
        Home::at(self.stage.folder.path())
    }

    pub(super) fn books(&self) -> ReadOnlyJournal {
        ReadOnlyJournal::open(&self.home().database()).unwrap()
    }

    pub(super) fn safe(&self) -> TextCipher {
        TextCipher::new(&purpose_key(self.stage.keys(), "journal"))
    }

    pub(super) fn past(&self) -> Past {
        let state = self.home().open().unwrap();
        let config = Config {
            cache: Some(state.folder("cache").unwrap()),
            policy_instances: 4,
            handler_instances: 4,
            ..Config::default()
        };
        let shelf = state.components().unwrap();
        Past::new(Sandbox::open(config).unwrap(), shelf, self.books().installations().unwrap())
    }

    /// Lets all texts go, as a node does in time.
    pub(super) async fn forget(&self) {
        let journal = SqliteJournal::open_with(&self.home().database(), self.safe()).unwrap();
        journal.set_retention(Retention { seconds: 0, bytes: u64::MAX });
        for _ in 0..4 {
            journal.purge().await.unwrap();
        }
    }

    /// A copy of the books, to be changed.
    pub(super) fn copy(&self, folder: &Path) -> std::path::PathBuf {
        let path = folder.join("pylon.db");
        std::fs::write(&path, "").unwrap();
        self.books().copy_to(&path).unwrap();
        path
    }
}

/// A job with a result, and its invoice.
async fn buy(stage: &Stage, customer: &mut Customer, words: &str) -> (JobId, String) {
    let job = customer.ask(vec![text(words), param("max_tokens", "32"), bid(50_000)]).await;
    let (amount, bolt11) = customer.result(job).await.due.unwrap();
    assert!(amount > Msat::ZERO);
    stage.until(job, |state| state.delivery == pylon_core::machine::Delivery::Delivered).await;
    (job, bolt11.unwrap())
}

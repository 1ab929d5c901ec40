//! The journal of a node that has sold jobs, for tests of replay and back-test.

use pylon_core::machine::JobState;
use pylon_core::{JobId, Msat};
use pylon_journal::{ReadOnlyJournal, Retention, SqliteJournal, TextCipher};
use pylon_node::home::Home;
use pylon_nostr::identity::purpose_key;
use pylon_sandbox::{Config, Sandbox};
use pylon_slots::HistoricalGuests;
use pylon_tests::market::{Customer, MarketOptions, TestMarket, bid, param, text};
use std::path::Path;
use std::time::Duration;

/// A stopped node, with one job of each sort.
pub(super) struct SoldJobs {
    pub(super) market: TestMarket,
    /// Paid, in this order.
    pub(super) paid: Vec<JobId>,
    /// Delivered, never paid.
    pub(super) unpaid: JobId,
    /// Refused, because the bid was too low.
    pub(super) refused: JobId,
    /// Encrypted with NIP-44.
    pub(super) confidential: JobId,
}

/// Prompts of the paid jobs.
const WORDS: [&str; 3] = ["one two three", "Grüße an alle", "a b c d e f g h"];

impl SoldJobs {
    pub(super) async fn new() -> Self {
        let mut market = TestMarket::start(MarketOptions::default()).await;
        let mut customer = market.customer().await;
        let mut paid = Vec::new();
        for words in WORDS {
            let (job, bolt11) = buy(&market, &mut customer, words).await;
            market.bank.pay(&bolt11).unwrap();
            market.wait_until(job, JobState::is_closed).await;
            paid.push(job);
        }
        let (unpaid, _) = buy(&market, &mut customer, "for nothing").await;
        let refused = customer.ask(vec![text("too cheap"), bid(1)]).await;
        customer.feedback(refused, "error").await;
        let hidden = pylon_nostr::nip90::RequestTag::Encrypted;
        let confidential = customer.ask(vec![text("a secret"), bid(50_000), hidden]).await;
        customer.result(confidential).await;
        market.wait_until(confidential, |state| state.output.is_none() && state.is_over()).await;
        market.stop_node(Duration::ZERO).await;
        Self { market, paid, unpaid, refused, confidential }
    }

    pub(super) fn home(&self) -> Home {
        Home::at(self.market.folder.path())
    }

    pub(super) fn journal(&self) -> ReadOnlyJournal {
        ReadOnlyJournal::open(&self.home().database()).unwrap()
    }

    pub(super) fn cipher(&self) -> TextCipher {
        TextCipher::new(&purpose_key(self.market.keys(), "journal"))
    }

    pub(super) fn past(&self) -> HistoricalGuests {
        let state = self.home().open().unwrap();
        let config = Config {
            cache: Some(state.folder("cache").unwrap()),
            policy_instances: 4,
            handler_instances: 4,
            ..Config::default()
        };
        let store = state.components().unwrap();
        HistoricalGuests::new(
            Sandbox::open(config).unwrap(),
            store,
            self.journal().installations().unwrap(),
        )
    }

    /// Purges all texts, as a node does after the configured time.
    pub(super) async fn forget(&self) {
        let journal = SqliteJournal::open_with(&self.home().database(), self.cipher()).unwrap();
        journal.set_retention(Retention { seconds: 0, bytes: u64::MAX });
        for _ in 0..4 {
            journal.purge().await.unwrap();
        }
    }

    /// A copy of the journal that a test may change.
    pub(super) fn copy(&self, folder: &Path) -> std::path::PathBuf {
        let path = folder.join("pylon.db");
        std::fs::write(&path, "").unwrap();
        self.journal().copy_to(&path).unwrap();
        path
    }
}

/// Buys one job; returns it and its invoice.
async fn buy(market: &TestMarket, customer: &mut Customer, words: &str) -> (JobId, String) {
    let job = customer.ask(vec![text(words), param("max_tokens", "32"), bid(50_000)]).await;
    let (amount, bolt11) = customer.result(job).await.due.unwrap();
    assert!(amount > Msat::ZERO);
    market
        .wait_until(job, |state| state.delivery == pylon_core::machine::Delivery::Delivered)
        .await;
    (job, bolt11.unwrap())
}

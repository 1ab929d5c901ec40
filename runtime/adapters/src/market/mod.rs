//! The markets that jobs come from. Adding one is one file and one row in [`MARKETS`].

pub mod announcement;
pub mod buyer;
pub mod identity;
pub mod nip90;
pub mod nostr;
pub mod probe;
pub mod relay;

use futures::future::BoxFuture;
use nostr_sdk::Keys;
use pylon_core::ports::market::Market;
use std::sync::Arc;
use tokio::sync::broadcast;

/// A market and how it is entered.
pub struct Row {
    /// As the operator names it.
    pub name: &'static str,
    /// Enters it.
    pub open: fn(Entry) -> BoxFuture<'static, Result<Opened, OpenError>>,
}

/// Every market this node can be on.
pub const MARKETS: &[Row] = &[Row { name: "nostr", open: |entry| Box::pin(nostr::open(entry)) }];

/// What it takes to enter a market.
pub struct Entry {
    /// Who we are there.
    pub keys: Keys,
    /// Where it is.
    pub urls: Vec<String>,
    /// The request kinds we serve.
    pub kinds: Vec<u16>,
}

/// A market, entered.
pub struct Opened {
    /// It.
    pub market: Arc<dyn Market>,
    /// How its parts come and go.
    pub changes: broadcast::Receiver<Change>,
}

/// A part of the market came within reach, or went out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub url: String,
    /// Within reach.
    pub connected: bool,
    /// Why it is not, if that is known.
    pub reason: Option<String>,
}

/// Why a market cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No address.
    #[error("no relay is configured")]
    NoRelay,
    /// Not an address.
    #[error("`{0}` is not a relay: expected ws:// or wss://")]
    Address(String),
    /// The library refuses.
    #[error("{0}: {1}")]
    Relay(String, String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    /// Every market can be entered, says so, and refuses what is no address with words.
    #[tokio::test(flavor = "multi_thread")]
    async fn every_row_opens() {
        let relay = relay::InProcessRelay::start().await.unwrap();
        for row in MARKETS {
            let entry = |urls: &[&str]| Entry {
                keys: Keys::generate(),
                urls: urls.iter().map(ToString::to_string).collect(),
                kinds: vec![5050],
            };
            let mut opened = (row.open)(entry(&[relay.url(), relay.url()])).await.unwrap();
            let change = timeout(Duration::from_secs(60), opened.changes.recv()).await.unwrap().unwrap();
            assert_eq!((change.connected, change.url.as_str()), (true, relay.url()), "{}", row.name);
            assert!(matches!((row.open)(entry(&[])).await, Err(OpenError::NoRelay)));
            assert!(matches!((row.open)(entry(&["https://x"])).await, Err(OpenError::Address(text)) if text == "https://x"));
        }
    }
}

//! The market that jobs come from, and the buyer on its other side.

pub mod announcement;
pub mod buyer;
pub mod deletion;
pub mod identity;
pub mod image_release;
pub mod market;
pub mod nip90;
pub mod probe;
pub mod relay;
pub mod release;

use nostr_sdk::Keys;

/// What it takes to enter a market.
pub struct Entry {
    /// Who we are there.
    pub keys: Keys,
    /// Where it is.
    pub urls: Vec<String>,
    /// The request kinds we serve.
    pub kinds: Vec<u16>,
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

//! The Nostr side of the node: the market on relays, the NIP-90 codec, announcements, releases of
//! guests, and a buyer.

pub mod announcement;
pub mod buyer;
mod config;
pub mod deletion;
pub mod event_source;
pub mod identity;
pub mod market;
pub mod nip90;
pub mod precompiled_release;
pub mod probe;
pub mod relay;
pub mod release;

pub use config::Config;

use nostr_sdk::{Event, Keys, Timestamp};
use pylon_core::UnixTime;

/// The keys, relays and kinds with which a node enters the market.
pub struct Entry {
    /// The keys that sign there.
    pub keys: Keys,
    /// The addresses of the relays.
    pub urls: Vec<String>,
    /// The request kinds that are served.
    pub kinds: Vec<u16>,
}

/// A relay was connected or disconnected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayChange {
    /// The relay's address.
    pub url: String,
    /// Is it connected now?
    pub connected: bool,
    /// Why it is not, if known.
    pub reason: Option<String>,
}

/// Why a market cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No address is given.
    #[error("no relay is configured")]
    NoRelay,
    /// Not the address of a relay.
    #[error("`{0}` is not a relay: expected ws:// or wss://")]
    Address(String),
    /// An error of the library.
    #[error("{0}: {1}")]
    Relay(String, String),
}
/// Is the id of the event its hash? The library skips this check for an id that it has verified
/// before, even on another event.
pub(crate) fn has_valid_id(event: &Event) -> bool {
    event.verify_id()
}

pub(crate) fn now() -> UnixTime {
    UnixTime::new(Timestamp::now().as_secs())
}

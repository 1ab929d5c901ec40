//! The Nostr side of the node: the market on relays, the NIP-90 codec, announcements, releases of
//! guests, and a buyer.

pub mod announcement;
pub mod buyer;
pub mod clock_offset;
mod config;
pub mod deletion;
pub mod event_source;
pub mod identity;
pub mod market;
pub mod nip90;
pub mod precompiled_release;
pub mod probe;
pub mod relay;
mod relay_transport;
pub mod release;

pub use config::Config;

use nostr_sdk::{Event, Keys, Timestamp};
use pylon_core::UnixTime;
use pylon_core::ports::clock::Clock;
use pylon_egress::http::shorten;
use std::sync::Arc;

/// The keys, relays and kinds with which a node enters the market.
pub struct Entry {
    /// The keys that sign there.
    pub keys: Keys,
    /// The addresses of the relays.
    pub urls: Vec<String>,
    /// The request kinds that are served.
    pub kinds: Vec<u16>,
    /// The time.
    pub clock: Arc<dyn Clock>,
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

/// The words of a relay that refuses something, as one line. Without words after the prefix, the
/// prefix alone.
pub(crate) fn refusal_reason(message: &str) -> String {
    match shorten(message).trim().trim_end_matches(':') {
        "" => "no reason given".into(),
        reason => reason.into(),
    }
}

pub(crate) fn now() -> UnixTime {
    UnixTime::new(Timestamp::now().as_secs())
}

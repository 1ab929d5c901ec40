//! A relay in this process, on a free port of the loopback interface, for `pylon demo` and tests.

use nostr_relay_builder::builder::RateLimit;
use nostr_relay_builder::{LocalRelay, RelayBuilder};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// A free port may be taken by another process before it is used.
const ATTEMPTS_MAX: usize = 8;
/// Stored events in one answer.
const STORED_EVENTS_MAX: usize = 10_000;

/// Runs until it is dropped.
pub struct InProcessRelay {
    relay: LocalRelay,
    url: String,
}

/// Why no relay was started.
#[derive(Debug, thiserror::Error)]
#[error("no relay on this machine: {0}")]
pub struct RelayError(String);

impl InProcessRelay {
    /// Starts a relay.
    pub async fn start() -> Result<Self, RelayError> {
        Self::start_with(RelayBuilder::default()).await
    }

    /// Starts a relay with these settings, without rate limits: all its events are our own.
    pub async fn start_with(builder: RelayBuilder) -> Result<Self, RelayError> {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), builder).await
    }

    /// The same at this address of the loopback interface.
    pub async fn start_at(address: IpAddr, builder: RelayBuilder) -> Result<Self, RelayError> {
        let limit = RateLimit { max_reqs: 10_000, notes_per_minute: u32::MAX };
        let builder = builder.rate_limit(limit).default_filter_limit(STORED_EVENTS_MAX);
        let mut last = RelayError("no free port".into());
        for _ in 0..ATTEMPTS_MAX {
            let free = free_port(address).map_err(|error| RelayError(error.to_string()))?;
            let relay = LocalRelay::new(builder.clone().addr(address).port(free.port()));
            match relay.run().await {
                Ok(()) => return Ok(Self { relay, url: format!("ws://{free}") }),
                Err(error) => last = RelayError(error.to_string()),
            }
        }
        Err(last)
    }

    /// Its address: `ws://HOST:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for InProcessRelay {
    fn drop(&mut self) {
        self.relay.shutdown();
    }
}

fn free_port(address: IpAddr) -> std::io::Result<SocketAddr> {
    TcpListener::bind((address, 0))?.local_addr()
}

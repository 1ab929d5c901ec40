//! A relay inside this process, on a free port of 127.0.0.1: the market of `pylon demo` and of tests.

use nostr_relay_builder::builder::RateLimit;
use nostr_relay_builder::{LocalRelay, RelayBuilder};
use std::net::{Ipv4Addr, TcpListener};

/// Ports are found before they are taken: somebody may be faster.
const ATTEMPTS: usize = 8;
/// Stored events that one request may bring back.
const STORED: usize = 10_000;

/// Runs until dropped.
pub struct InProcessRelay {
    relay: LocalRelay,
    url: String,
}

/// Why there is no relay.
#[derive(Debug, thiserror::Error)]
#[error("no relay on 127.0.0.1: {0}")]
pub struct RelayError(String);

impl InProcessRelay {
    /// Starts one.
    pub async fn start() -> Result<Self, RelayError> {
        Self::start_with(RelayBuilder::default()).await
    }

    /// Starts one that was built for a purpose. Its rate limits are lifted: every event here is our own.
    pub async fn start_with(builder: RelayBuilder) -> Result<Self, RelayError> {
        let limit = RateLimit { max_reqs: 10_000, notes_per_minute: u32::MAX };
        let builder = builder.rate_limit(limit).default_filter_limit(STORED);
        let mut last = RelayError("no free port".into());
        for _ in 0..ATTEMPTS {
            let port = free_port().map_err(|error| RelayError(error.to_string()))?;
            let relay =
                LocalRelay::new(builder.clone().addr(Ipv4Addr::LOCALHOST.into()).port(port));
            match relay.run().await {
                Ok(()) => return Ok(Self { relay, url: format!("ws://127.0.0.1:{port}") }),
                Err(error) => last = RelayError(error.to_string()),
            }
        }
        Err(last)
    }

    /// Where it is: `ws://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for InProcessRelay {
    fn drop(&mut self) {
        self.relay.shutdown();
    }
}

fn free_port() -> std::io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|addr| addr.port())
}

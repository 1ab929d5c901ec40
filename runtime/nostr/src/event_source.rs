//! The port `EventSource` over the market's relays, and the relay that an input names.

use crate::market::NostrMarket;
use crate::market::results::ResultError;
use async_trait::async_trait;
use pylon_core::ports::event_source::EventSource;
use pylon_core::ports::inputs::FetchError;
use pylon_core::{JobId, MessageId};
use pylon_egress::policy::EgressPolicy;
use std::sync::Arc;
use std::time::Duration;

/// Reads events through a market. Relays that customers name are contacted under the address
/// policy.
pub struct MarketEvents {
    market: Arc<NostrMarket>,
    addresses: Arc<EgressPolicy>,
}

impl MarketEvents {
    /// Reads through this market, under this policy for relays that customers name.
    pub fn new(market: Arc<NostrMarket>, addresses: Arc<EgressPolicy>) -> Self {
        Self { market, addresses }
    }
}

#[async_trait]
impl EventSource for MarketEvents {
    async fn message(
        &self,
        id: MessageId,
        hint: Option<&str>,
        timeout: Duration,
    ) -> Result<String, FetchError> {
        let found = self.market.message(id, hint, &self.addresses, timeout).await;
        found.ok_or(FetchError::Unreachable)
    }

    async fn result_of(
        &self,
        job: JobId,
        bytes_max: u64,
        timeout: Duration,
    ) -> Result<String, FetchError> {
        self.market.result_of(job, timeout).await.map_err(|why| match why {
            ResultError::Busy => FetchError::Busy,
            ResultError::TimedOut => FetchError::Timeout(timeout.as_secs()),
            ResultError::Failed => FetchError::Failed,
            ResultError::InParts => FetchError::TooLarge(bytes_max),
            ResultError::Encrypted => FetchError::Denied("the result of that job is encrypted"),
        })
    }
}

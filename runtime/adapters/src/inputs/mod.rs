//! What a customer only pointed to, fetched where the operator grants it: pages in `url`; messages and results of other jobs through the market.
//! The rules for addresses are in `address`.

#[cfg(test)]
mod tests;
mod url;

use crate::address::Addresses;
use crate::market::nostr::{NoResult, NostrMarket};
use async_trait::async_trait;
use pylon_core::ports::inputs::{Inputs, Unfetched};
use pylon_core::sources::{Granted, Sources};
use pylon_core::{Input, InputSource};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use url::Rules;

/// Pages and messages that are fetched at once, so that nobody makes this node a crowd.
const AT_ONCE: usize = 16;

/// What the operator lets be fetched, and how long it may take.
#[derive(Clone, Debug)]
pub struct Options {
    /// What.
    pub granted: Granted,
    /// Addresses that the policy lets through.
    pub addresses: Arc<Addresses>,
    /// A page or a message.
    pub fetch_within: Duration,
    /// The result of another job.
    pub chain_within: Duration,
}

/// Fetches over https and from relays.
pub struct Fetcher {
    options: Options,
    market: Arc<NostrMarket>,
    places: Semaphore,
}

impl Fetcher {
    /// Through this market.
    pub fn new(options: Options, market: Arc<NostrMarket>) -> Self {
        Self { options, market, places: Semaphore::new(AT_ONCE) }
    }

    async fn page(
        &self,
        address: &str,
        sources: &Sources,
        bytes_max: u64,
    ) -> Result<String, Unfetched> {
        let Options { addresses, fetch_within, .. } = &self.options;
        let within = tokio::time::timeout(*fetch_within, self.places.acquire()).await;
        let Ok(Ok(_place)) = within else { return Err(Unfetched::Busy) };
        let rules = Rules { addresses, sources };
        url::fetch(&rules, address, bytes_max, *fetch_within).await
    }
}

#[async_trait]
impl Inputs for Fetcher {
    fn granted(&self) -> Granted {
        self.options.granted
    }

    fn check(&self, input: &Input, sources: &Sources) -> Result<(), Unfetched> {
        let InputSource::Url(address) = &input.source else { return Ok(()) };
        Rules { addresses: &self.options.addresses, sources }.judge(address).map(drop)
    }

    async fn fetch(
        &self,
        input: &Input,
        sources: &Sources,
        bytes_max: u64,
    ) -> Result<String, Unfetched> {
        let Options { granted, addresses, fetch_within, chain_within } = &self.options;
        let not_granted = Err(Unfetched::Denied("send the text itself"));
        let text = match &input.source {
            InputSource::Text(text) => text.clone(),
            InputSource::Url(address) if granted.urls => {
                self.page(address, sources, bytes_max).await?
            }
            InputSource::Event(id) if granted.events => {
                let place = tokio::time::timeout(*fetch_within, self.places.acquire()).await;
                let Ok(Ok(_place)) = place else { return Err(Unfetched::Busy) };
                let found =
                    self.market.message(*id, input.hint.as_deref(), addresses, *fetch_within).await;
                found.ok_or(Unfetched::Unreachable)?
            }
            InputSource::Job(id) if granted.jobs => {
                match self.market.result_of(*id, *chain_within).await {
                    Ok(text) => text,
                    Err(NoResult::Busy) => return Err(Unfetched::Busy),
                    Err(NoResult::Late) => return Err(Unfetched::Timeout(chain_within.as_secs())),
                    Err(NoResult::Failed) => return Err(Unfetched::Failed),
                    Err(NoResult::InParts) => return Err(Unfetched::TooLarge(bytes_max)),
                    Err(NoResult::Encrypted) => {
                        return Err(Unfetched::Denied("the result of that job is encrypted"));
                    }
                }
            }
            _ => return not_granted,
        };
        if text.len() as u64 > bytes_max { Err(Unfetched::TooLarge(bytes_max)) } else { Ok(text) }
    }
}

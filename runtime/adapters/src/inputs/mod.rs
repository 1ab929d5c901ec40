//! What a customer only pointed to, fetched where the operator grants it: pages in `url`; messages and results of other jobs through the market.
//! The rules for egress are in `address`.

#[cfg(test)]
mod tests;
mod url;

use async_trait::async_trait;
use pylon_core::ports::event_source::EventSource;
use pylon_core::ports::inputs::{FetchError, Inputs};
use pylon_core::sources::{Granted, Sources};
use pylon_core::{Input, InputSource};
use pylon_egress::policy::EgressPolicy;
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
    /// EgressPolicy that the policy lets through.
    pub egress: Arc<EgressPolicy>,
    /// A page or a message.
    pub fetch_timeout: Duration,
    /// The result of another job.
    pub chain_timeout: Duration,
}

/// Fetches over https and from relays.
pub struct Fetcher {
    options: Options,
    events: Arc<dyn EventSource>,
    places: Semaphore,
}

impl Fetcher {
    /// Reads events from this source.
    pub fn new(options: Options, events: Arc<dyn EventSource>) -> Self {
        Self { options, events, places: Semaphore::new(AT_ONCE) }
    }

    async fn page(
        &self,
        address: &str,
        sources: &Sources,
        bytes_max: u64,
    ) -> Result<String, FetchError> {
        let Options { egress, fetch_timeout, .. } = &self.options;
        let within = tokio::time::timeout(*fetch_timeout, self.places.acquire()).await;
        let Ok(Ok(_place)) = within else { return Err(FetchError::Busy) };
        let rules = Rules { egress, sources };
        url::fetch(&rules, address, bytes_max, *fetch_timeout).await
    }
}

#[async_trait]
impl Inputs for Fetcher {
    fn granted(&self) -> Granted {
        self.options.granted
    }

    fn check(&self, input: &Input, sources: &Sources) -> Result<(), FetchError> {
        let InputSource::Url(address) = &input.source else { return Ok(()) };
        Rules { egress: &self.options.egress, sources }.check(address).map(drop)
    }

    async fn fetch(
        &self,
        input: &Input,
        sources: &Sources,
        bytes_max: u64,
    ) -> Result<String, FetchError> {
        let Options { granted, fetch_timeout, chain_timeout, .. } = &self.options;
        let not_granted = Err(FetchError::Denied("send the text itself"));
        let text = match &input.source {
            InputSource::Text(text) => text.clone(),
            InputSource::Url(address) if granted.urls => {
                self.page(address, sources, bytes_max).await?
            }
            InputSource::Event(id) if granted.events => {
                let place = tokio::time::timeout(*fetch_timeout, self.places.acquire()).await;
                let Ok(Ok(_place)) = place else { return Err(FetchError::Busy) };
                self.events.message(*id, input.hint.as_deref(), *fetch_timeout).await?
            }
            InputSource::Job(id) if granted.jobs => {
                self.events.result_of(*id, bytes_max, *chain_timeout).await?
            }
            _ => return not_granted,
        };
        if text.len() as u64 > bytes_max { Err(FetchError::TooLarge(bytes_max)) } else { Ok(text) }
    }
}

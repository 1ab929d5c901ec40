//! Fetches inputs that a request only refers to, where the operator grants it: pages in `url`,
//! messages and results of other jobs through the port `EventSource`.

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

/// Concurrent fetches of pages and messages, so that this node cannot be used to flood others.
const FETCH_CONCURRENCY: usize = 16;

/// What may be fetched, and the timeouts.
#[derive(Clone, Debug)]
pub struct Options {
    /// The kinds of sources.
    pub granted: Granted,
    /// The policy for addresses of pages.
    pub egress: Arc<EgressPolicy>,
    /// For a page or a message.
    pub fetch_timeout: Duration,
    /// For the result of another job.
    pub chain_timeout: Duration,
}

/// Fetches pages over https, and events.
pub struct Fetcher {
    options: Options,
    events: Arc<dyn EventSource>,
    permits: Semaphore,
}

impl Fetcher {
    /// Reads events from this source.
    pub fn new(options: Options, events: Arc<dyn EventSource>) -> Self {
        Self { options, events, permits: Semaphore::new(FETCH_CONCURRENCY) }
    }

    async fn page(
        &self,
        address: &str,
        sources: &Sources,
        bytes_max: u64,
    ) -> Result<String, FetchError> {
        let Options { egress, fetch_timeout, .. } = &self.options;
        let permit = tokio::time::timeout(*fetch_timeout, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(FetchError::Busy) };
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
                let permit = tokio::time::timeout(*fetch_timeout, self.permits.acquire()).await;
                let Ok(Ok(_permit)) = permit else { return Err(FetchError::Busy) };
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

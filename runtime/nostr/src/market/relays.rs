//! The relays of the market, each with its own session. They can change while the market is open.

use super::options::{EVENT_TAGS_MAX, MESSAGE_BYTES_MAX, NOTIFICATIONS_MAX};
use super::session::{RelaySession, SessionContext};
use crate::ConnectError;
use nostr_sdk::prelude::{Relay, RelayLimits, RelayOptions, RelayPool, RelayUrl};
use std::sync::Arc;
use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;

pub(super) struct Relays {
    pool: RelayPool,
    shared: Arc<SessionContext>,
    /// Serializes changes.
    links: Mutex<Vec<AbortHandle>>,
}

impl Relays {
    /// Without any relay.
    pub(super) fn new(pool: RelayPool, shared: Arc<SessionContext>) -> Self {
        Self { pool, shared, links: Mutex::default() }
    }

    /// The current relays, in the given order.
    pub(super) fn all(&self) -> Arc<[Relay]> {
        Arc::clone(&self.shared.held.borrow())
    }

    /// The current relays and their changes.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<[Relay]>> {
        self.shared.held.subscribe()
    }

    /// Their addresses.
    pub(super) fn urls(&self) -> Vec<RelayUrl> {
        self.shared.held.borrow().iter().map(|relay| relay.url().clone()).collect()
    }

    /// Replaces the relays: connects to new ones and leaves the others. On an error nothing has
    /// changed.
    pub(super) async fn hold(&self, urls: &[String]) -> Result<(), ConnectError> {
        let mut links = self.links.lock().await;
        let wanted = parse(urls)?;
        let before = self.all();
        let (mut next, mut new): (Vec<Relay>, Vec<Relay>) =
            (Vec::with_capacity(wanted.len()), Vec::new());
        for url in &wanted {
            if let Some(relay) = before.iter().find(|relay| relay.url() == url) {
                next.push(relay.clone());
                continue;
            }
            match self.add(url).await {
                Ok(relay) => {
                    next.push(relay.clone());
                    new.push(relay);
                }
                Err(error) => {
                    self.remove(&new).await;
                    return Err(error);
                }
            }
        }
        let gone: Vec<Relay> =
            before.iter().filter(|relay| !wanted.contains(relay.url())).cloned().collect();
        self.shared.held.send_replace(next.into());
        // Their sessions receive the shutdown and end.
        self.remove(&gone).await;
        links.retain(|link| !link.is_finished());
        for relay in new {
            let notifications = relay.notifications();
            let link = RelaySession::new(relay.clone(), Arc::clone(&self.shared));
            links.push(tokio::spawn(link.run(notifications)).abort_handle());
            relay.connect();
        }
        Ok(())
    }

    /// Disconnects all relays immediately.
    pub(super) async fn close(&self) {
        self.links.lock().await.iter().for_each(AbortHandle::abort);
        self.pool.shutdown().await;
    }

    async fn add(&self, url: &RelayUrl) -> Result<Relay, ConnectError> {
        let mut limits = RelayLimits::default();
        limits.messages.max_size = Some(MESSAGE_BYTES_MAX);
        limits.events.max_num_tags = u16::try_from(EVENT_TAGS_MAX).ok();
        let options = RelayOptions::new().limits(limits).retry_interval(self.shared.options.retry);
        let failed =
            |error: &dyn std::fmt::Display| ConnectError::Relay(url.to_string(), error.to_string());
        self.pool
            .add_relay(url, options.notification_channel_size(NOTIFICATIONS_MAX))
            .await
            .map_err(|error| failed(&error))?;
        self.pool.relay(url).await.map_err(|error| failed(&error))
    }

    async fn remove(&self, relays: &[Relay]) {
        for relay in relays {
            // A missing relay need not be removed.
            let _ = self.pool.force_remove_relay(relay.url()).await;
        }
    }
}

impl Drop for Relays {
    fn drop(&mut self) {
        self.links.get_mut().iter().for_each(AbortHandle::abort);
        self.all().iter().for_each(Relay::disconnect);
    }
}

/// Pure: two spellings of the same relay give one relay.
fn parse(urls: &[String]) -> Result<Vec<RelayUrl>, ConnectError> {
    let mut parsed = Vec::with_capacity(urls.len());
    for text in urls {
        let url = RelayUrl::parse(text).map_err(|_| ConnectError::Address(text.clone()))?;
        if !parsed.contains(&url) {
            parsed.push(url);
        }
    }
    if parsed.is_empty() { Err(ConnectError::NoRelay) } else { Ok(parsed) }
}

//! Connections and publications to all relays at once. A relay that is dead or mute delays no
//! other.

use super::message::BuyerError;
use super::query::OTHERS_TIMEOUT;
use nostr_sdk::Event;
use nostr_sdk::prelude::{Filter, Relay, RelayStatus, SubscribeOptions, SubscriptionId};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

/// Timeout of a connection, and of the first relay that accepts an event.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An event that at least one relay has accepted. The others receive it in the background, as long
/// as the process runs.
#[derive(Debug)]
pub struct Publication {
    outcomes: mpsc::Receiver<(String, Result<(), String>)>,
    /// Relays that have not accepted it so far, with the reason.
    missing: BTreeMap<String, String>,
}

impl Publication {
    /// Publishes the event on these relays, each after this subscription, and returns when the
    /// first one has accepted it.
    pub(super) async fn start(
        relays: Vec<Relay>,
        event: &Event,
        subscription: Option<(SubscriptionId, Filter)>,
    ) -> Result<Self, BuyerError> {
        let (report, outcomes) = mpsc::channel(relays.len().max(1));
        let silent = |relay: &Relay| (relay.url().to_string(), "no answer".to_owned());
        let missing = relays.iter().map(silent).collect();
        for relay in relays {
            let (report, event, subscription) =
                (report.clone(), event.clone(), subscription.clone());
            tokio::spawn(async move {
                let outcome = publish(&relay, &event, subscription).await;
                // Without a receiver, the outcome interests nobody.
                let _ = report.send((relay.url().to_string(), outcome)).await;
            });
        }
        let mut publication = Self { outcomes, missing };
        let until = Instant::now() + CONNECT_TIMEOUT;
        while let Ok(Some((relay, outcome))) = timeout_at(until, publication.outcomes.recv()).await
        {
            if publication.record(relay, outcome) {
                return Ok(publication);
            }
        }
        Err(BuyerError::NotPublished(list(&publication.missing)))
    }

    /// Gives the other relays a short time, and returns those that have not accepted it, with the
    /// reason.
    pub async fn missing(mut self) -> BTreeMap<String, String> {
        let until = Instant::now() + OTHERS_TIMEOUT;
        while let Ok(Some((relay, outcome))) = timeout_at(until, self.outcomes.recv()).await {
            self.record(relay, outcome);
        }
        self.missing
    }

    /// Returns whether the relay accepted the event.
    fn record(&mut self, relay: String, outcome: Result<(), String>) -> bool {
        match outcome {
            Ok(()) => self.missing.remove(&relay).is_some(),
            Err(reason) => {
                self.missing.insert(relay, reason);
                false
            }
        }
    }
}

/// Relays with reasons, on one line.
pub(super) fn list(relays: &BTreeMap<String, String>) -> String {
    relays.iter().map(|(relay, reason)| format!("{relay}: {reason}")).collect::<Vec<_>>().join("; ")
}

/// Waits for a connection that is being made; an error if the last attempt has failed.
pub(super) async fn connected(relay: &Relay, within: Duration) -> Result<(), String> {
    let mut changes = relay.notifications();
    let settled = async {
        loop {
            match relay.status() {
                RelayStatus::Connected => return Ok(()),
                RelayStatus::Initialized | RelayStatus::Pending | RelayStatus::Connecting => {}
                _ => return Err("cannot connect".to_owned()),
            }
            if let Err(broadcast::error::RecvError::Closed) = changes.recv().await {
                return Err("the connection was closed".to_owned());
            }
        }
    };
    timeout(within, settled).await.unwrap_or_else(|_| Err("no connection in time".into()))
}

async fn publish(
    relay: &Relay,
    event: &Event,
    subscription: Option<(SubscriptionId, Filter)>,
) -> Result<(), String> {
    connected(relay, CONNECT_TIMEOUT).await?;
    if let Some((id, filter)) = subscription {
        let options = SubscribeOptions::default();
        relay.subscribe_with_id(id, filter, options).await.map_err(|error| error.to_string())?;
    }
    match relay.send_event(event).await.map_err(|error| error.to_string()) {
        // The relay has it already.
        Err(reason) if reason.starts_with("duplicate:") => Ok(()),
        outcome => outcome.map(drop),
    }
}

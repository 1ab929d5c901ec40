//! The other side of the market: publishes requests and hears what providers say to them. What it hands on is checked: the signature by
//! the SDK, the request and the addressee here.

use super::nip90::{self, Delivered, Feedback, RequestTag};
use nostr_sdk::{Client, Event, Filter, Keys, Kind, RelayPoolNotification, Timestamp};
use pylon_core::JobId;
use std::time::Duration;
use tokio::sync::broadcast;

/// How long a relay may take to be there.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Why a buyer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum BuyerError {
    /// No relay to talk to.
    #[error("no relay: {0}")]
    Relay(String),
    /// No relay took the request.
    #[error("the request was not published: {0}")]
    NotPublished(String),
    /// The connection was closed.
    #[error("the relays are gone")]
    Closed,
}

/// What a provider said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// How the job stands.
    Feedback(Feedback),
    /// The result.
    Result(Delivered),
}

/// A customer on the market.
pub struct Buyer {
    client: Client,
    keys: Keys,
    notifications: broadcast::Receiver<RelayPoolNotification>,
}

impl Buyer {
    /// Connects and listens for whatever is addressed to these keys.
    pub async fn connect(keys: Keys, relays: &[String]) -> Result<Self, BuyerError> {
        let failed = |error: nostr_sdk::client::Error| BuyerError::Relay(error.to_string());
        let client = Client::new(keys.clone());
        for relay in relays {
            client.add_relay(relay.as_str()).await.map_err(failed)?;
        }
        let notifications = client.notifications();
        if client.try_connect(CONNECT_WITHIN).await.success.is_empty() {
            return Err(BuyerError::Relay(format!("none of {} answers", relays.join(", "))));
        }
        let kinds = (6000..=6999).chain([nip90::FEEDBACK_KIND]).map(Kind::from_u16);
        let filter = Filter::new().kinds(kinds).pubkey(keys.public_key()).since(Timestamp::now() - 5u64);
        client.subscribe(filter, None).await.map_err(failed)?;
        Ok(Self { client, keys, notifications })
    }

    /// Signs and publishes a request.
    pub async fn request(&self, kind: u16, tags: &[RequestTag]) -> Result<JobId, BuyerError> {
        let event = nip90::request(kind, tags).sign_with_keys(&self.keys);
        self.publish(event.map_err(|error| BuyerError::NotPublished(error.to_string()))?).await
    }

    /// Withdraws a request.
    pub async fn cancel(&self, job: JobId, kind: u16) -> Result<(), BuyerError> {
        let event = nip90::cancellation(job, kind).sign_with_keys(&self.keys);
        self.publish(event.map_err(|error| BuyerError::NotPublished(error.to_string()))?).await.map(drop)
    }

    async fn publish(&self, event: Event) -> Result<JobId, BuyerError> {
        let output = self.client.send_event(&event).await.map_err(|error| BuyerError::NotPublished(error.to_string()))?;
        if output.success.is_empty() {
            let why = output.failed.into_values().next().unwrap_or_default();
            return Err(BuyerError::NotPublished(why));
        }
        Ok(JobId::from_bytes(event.id.to_bytes()))
    }

    /// The next thing that is said to us about one of our jobs.
    pub async fn next(&mut self) -> Result<Heard, BuyerError> {
        loop {
            match self.notifications.recv().await {
                Ok(RelayPoolNotification::Event { event, .. }) => {
                    if let Some(heard) = self.read(&event) {
                        return Ok(heard);
                    }
                }
                Ok(RelayPoolNotification::Shutdown) | Err(broadcast::error::RecvError::Closed) => return Err(BuyerError::Closed),
                Ok(RelayPoolNotification::Message { .. }) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            }
        }
    }

    fn read(&self, event: &Event) -> Option<Heard> {
        if !event.tags.public_keys().any(|key| *key == self.keys.public_key()) {
            return None;
        }
        match nip90::parse_feedback(event) {
            Some(feedback) => Some(Heard::Feedback(feedback)),
            None => nip90::parse_result(event).map(Heard::Result),
        }
    }

    /// Leaves.
    pub async fn disconnect(self) {
        self.client.disconnect().await;
    }
}

//! The other side of the market: publishes requests and hears what providers say to them. What it hands on is checked: the signature by
//! the SDK, the request and the addressee here.

use super::nip90::{self, Delivered, Feedback, RequestTag};
use nostr_sdk::{Client, Event, EventId, Filter, JsonUtil, Keys, Kind, RelayPoolNotification, Timestamp};
use pylon_core::{JobId, PublicKey, UnixTime};
use std::time::Duration;
use tokio::sync::broadcast;

/// How long a relay may take to be there.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long relays may take to say what they have.
const LOOK_WITHIN: Duration = Duration::from_secs(10);
/// Messages about one job that are read.
const SAID_MAX: usize = 500;

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

/// A request made final: signed once, published as often as it takes.
#[derive(Clone, Debug)]
pub struct Request {
    event: Event,
}

impl Request {
    /// Its name.
    pub fn id(&self) -> JobId {
        JobId::from_bytes(self.event.id.to_bytes())
    }

    /// As it goes out.
    pub fn to_json(&self) -> String {
        self.event.as_json()
    }

    /// From what [`Request::to_json`] gave; `None` if that was changed.
    pub fn from_json(json: &str) -> Option<Self> {
        Event::from_json(json).ok().filter(|event| event.verify().is_ok()).map(|event| Self { event })
    }

    /// 5000 to 5999.
    pub fn kind(&self) -> u16 {
        self.event.kind.as_u16()
    }

    /// When it was made.
    pub fn created_at(&self) -> UnixTime {
        UnixTime::new(self.event.created_at.as_secs())
    }

    /// Is this what was asked for, from who was asked? The signature was checked when it came.
    pub fn check(&self, result: &Delivered) -> Result<(), String> {
        let mut named = self.event.tags.public_keys().map(|key| PublicKey::from_bytes(*key.as_bytes())).peekable();
        if named.peek().is_some() && !named.any(|key| key == result.provider) {
            return Err("made by somebody who was not asked".into());
        }
        if result.kind != self.kind() {
            return Err(format!("a result of kind {} for a request of kind {}", result.kind, self.kind()));
        }
        match &result.request {
            Some(json) if Event::from_json(json).map(|event| event.id).ok() != Some(self.event.id) => {
                Err("quotes another request".into())
            }
            _ => Ok(()),
        }
    }
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
        let request = self.sign(kind, tags)?;
        self.publish(&request.event).await?;
        Ok(request.id())
    }

    /// Makes a request final. Nothing leaves this machine.
    pub fn sign(&self, kind: u16, tags: &[RequestTag]) -> Result<Request, BuyerError> {
        let event = nip90::request(kind, tags).sign_with_keys(&self.keys);
        event.map(|event| Request { event }).map_err(|error| BuyerError::NotPublished(error.to_string()))
    }

    /// Publishes a request, once or again.
    pub async fn submit(&self, request: &Request) -> Result<(), BuyerError> {
        self.publish(&request.event).await
    }

    /// All that was said to us about this job so far.
    pub async fn said(&self, job: JobId) -> Result<Vec<Heard>, BuyerError> {
        let kinds = (6000..=6999).chain([nip90::FEEDBACK_KIND]).map(Kind::from_u16);
        let about = EventId::from_byte_array(*job.as_bytes());
        let filter = Filter::new().kinds(kinds).event(about).pubkey(self.keys.public_key()).limit(SAID_MAX);
        let events = self.client.fetch_events(filter, LOOK_WITHIN).await;
        let events = events.map_err(|error| BuyerError::Relay(error.to_string()))?;
        Ok(events.iter().filter_map(|event| self.read(event)).collect())
    }

    /// Withdraws a request.
    pub async fn cancel(&self, job: JobId, kind: u16) -> Result<(), BuyerError> {
        let event = nip90::cancellation(job, kind).sign_with_keys(&self.keys);
        self.publish(&event.map_err(|error| BuyerError::NotPublished(error.to_string()))?).await
    }

    async fn publish(&self, event: &Event) -> Result<(), BuyerError> {
        let output = self.client.send_event(event).await.map_err(|error| BuyerError::NotPublished(error.to_string()))?;
        if output.success.is_empty() {
            let why = output.failed.into_values().next().unwrap_or_default();
            return Err(BuyerError::NotPublished(why));
        }
        Ok(())
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

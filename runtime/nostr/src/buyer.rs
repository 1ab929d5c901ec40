//! The buyer: publishes requests and receives the messages of providers. Every message is checked:
//! its signature by the SDK, request and addressee here. Encrypted messages are decrypted, and
//! results in parts are assembled.

mod message;
mod offer;
mod publication;
mod query;
mod relay_reader;
mod request;

pub use message::{BuyerError, ProviderMessage};
pub use offer::{Network, Offer, OfferProblem};
pub use publication::Publication;
pub use relay_reader::{RelayReader, Responses};
pub use request::Request;

use crate::nip90::{self, Delivered, RequestTag};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use nostr_sdk::{Keys, Kind, RelayPoolNotification, SubscriptionId, Timestamp};
use pylon_core::sync::lock;
use pylon_core::{JobId, UnixTime};
use relay_reader::ASSEMBLY_CONCURRENCY;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::broadcast;
use tokio::time::Instant;

/// Open requests of one connection. Answers to older ones can be queried.
const REQUESTS_MAX: usize = 256;

/// A customer that receives messages.
pub struct Buyer {
    reader: RelayReader,
    notifications: broadcast::Receiver<RelayPoolNotification>,
    /// The latest requests that were published over this connection; each has a subscription.
    requests: Mutex<VecDeque<Request>>,
    /// Results being assembled, and queries after lost messages.
    pending: FuturesUnordered<BoxFuture<'static, Vec<ProviderMessage>>>,
    /// The messages that these found.
    found: VecDeque<ProviderMessage>,
}

impl Buyer {
    /// Connects, and returns when the first relay is connected.
    pub async fn connect(keys: Keys, relays: &[String]) -> Result<Self, BuyerError> {
        let reader = RelayReader::connect(keys, relays).await?;
        let notifications = reader.client.notifications();
        let (pending, found) = (FuturesUnordered::new(), VecDeque::new());
        Ok(Self { reader, notifications, requests: Mutex::default(), pending, found })
    }

    /// Queries the same relays.
    pub fn reader(&self) -> &RelayReader {
        &self.reader
    }

    /// Signs a request with the current time, as [`Buyer::sign`] does, and publishes it.
    pub async fn request(&self, kind: u16, tags: &[RequestTag]) -> Result<JobId, BuyerError> {
        let request = self.sign(kind, tags, UnixTime::new(Timestamp::now().as_secs()))?;
        self.submit(&request).await?;
        Ok(request.id())
    }

    /// Signs a request with this time: the same request in the same second is the same event.
    /// Nothing is published. With the tag `encrypted`, only the one provider that the tags name can
    /// read it.
    pub fn sign(
        &self,
        kind: u16,
        tags: &[RequestTag],
        at: UnixTime,
    ) -> Result<Request, BuyerError> {
        let builder = if tags.contains(&RequestTag::Encrypted) {
            nip90::confidential_request(kind, tags, &self.reader.keys)
                .map_err(BuyerError::NotPublished)?
        } else {
            nip90::request(kind, tags)
        };
        let event = builder
            .custom_created_at(Timestamp::from_secs(at.get()))
            .sign_with_keys(&self.reader.keys);
        event
            .map(|event| Request { event })
            .map_err(|error| BuyerError::NotPublished(error.to_string()))
    }

    /// Publishes a request, possibly again, and returns when the first relay has accepted it. From
    /// now on its answers are received.
    pub async fn submit(&self, request: &Request) -> Result<Publication, BuyerError> {
        let relays: Vec<_> = self.reader.client.relays().await.into_values().collect();
        if let Some(oldest) = self.remember(request) {
            for relay in &relays {
                // A relay without a connection has no subscription either.
                let _ = relay.unsubscribe(&subscription_id(&oldest)).await;
            }
        }
        let kinds = [request.kind().saturating_add(nip90::RESULT_OFFSET), nip90::FEEDBACK_KIND];
        let answers = request.answers().kinds(kinds.map(Kind::from_u16));
        let subscription = Some((subscription_id(request), answers));
        Publication::start(relays, &request.event, subscription).await
    }

    /// Adds a request, and returns one whose answers are received no longer.
    fn remember(&self, request: &Request) -> Option<Request> {
        let mut requests = self.requests();
        if !requests.iter().any(|known| known.id() == request.id()) {
            requests.push_back(request.clone());
        }
        if requests.len() > REQUESTS_MAX { requests.pop_front() } else { None }
    }

    /// Withdraws a request.
    pub async fn cancel(&self, job: JobId, kind: u16) -> Result<(), BuyerError> {
        self.reader.cancel(job, kind).await.map(drop)
    }

    /// The next message about one of our jobs. Cancelling the future loses nothing. Messages that
    /// were lost because they came too fast are queried, so a message may be returned twice.
    pub async fn next(&mut self) -> Result<ProviderMessage, BuyerError> {
        loop {
            if let Some(message) = self.found.pop_front() {
                return Ok(message);
            }
            let notification = tokio::select! {
                Some(message) = self.pending.next() => {
                    self.found.extend(message);
                    continue;
                }
                notification = self.notifications.recv() => notification,
            };
            match notification {
                Ok(RelayPoolNotification::Event { event, .. }) => {
                    match self.reader.read(&event).filter(|message| self.is_expected(message)) {
                        Some(ProviderMessage::Result(result)) if result.parts.is_some() => {
                            self.found.extend(self.begin(result))
                        }
                        Some(message) => return Ok(message),
                        None => {}
                    }
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => self.catch_up(missed),
                Ok(RelayPoolNotification::Shutdown) | Err(broadcast::error::RecvError::Closed) => {
                    return Err(BuyerError::Closed);
                }
                Ok(RelayPoolNotification::Message { .. }) => {}
            }
        }
    }

    /// Assembles a result in the background, or returns an error if too many are being assembled.
    fn begin(&self, result: Delivered) -> Option<ProviderMessage> {
        if self.pending.len() >= ASSEMBLY_CONCURRENCY {
            let why =
                "too many other results in parts are being assembled: query again later".into();
            return Some(ProviderMessage::Unreadable {
                job: result.job,
                provider: result.provider,
                why,
            });
        }
        let reader = self.reader.clone();
        self.pending.push(Box::pin(async move {
            vec![reader.assemble(result, Instant::now() + relay_reader::PARTS_TIMEOUT).await]
        }));
        None
    }

    /// Messages were lost because they came too fast. Answers to our requests may be among them.
    fn catch_up(&self, missed: u64) {
        tracing::debug!(missed, "relay messages were lost, querying the relays");
        for request in self
            .requests()
            .iter()
            .rev()
            .take(ASSEMBLY_CONCURRENCY.saturating_sub(self.pending.len()))
        {
            let (reader, request) = (self.reader.clone(), request.clone());
            self.pending.push(Box::pin(async move {
                let responses = reader.responses(&request, RelayReader::ALL_TIMEOUT).await;
                responses.map(|responses| responses.messages).unwrap_or_default()
            }));
        }
    }

    /// Messages of other providers are ignored, and their parts are not queried.
    fn is_expected(&self, message: &ProviderMessage) -> bool {
        let requests = self.requests();
        let request = requests.iter().find(|request| request.id() == message.job());
        request.is_some_and(|request| match message {
            ProviderMessage::Result(result) => request.check(result).is_ok(),
            ProviderMessage::Feedback(_) | ProviderMessage::Unreadable { .. } => {
                request.is_for(message.provider())
            }
        })
    }

    fn requests(&self) -> MutexGuard<'_, VecDeque<Request>> {
        lock(&self.requests)
    }

    /// Disconnects from the relays.
    pub async fn disconnect(self) {
        self.reader.client.disconnect().await;
    }
}

/// Of at most 64 characters, as relays require.
fn subscription_id(request: &Request) -> SubscriptionId {
    SubscriptionId::new(request.id().to_hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: the number of subscriptions is limited. Method: requests up to the limit, each
    /// twice, and one more.
    #[tokio::test(flavor = "multi_thread")]
    async fn oldest_request_is_forgotten_at_the_limit() {
        let relay = crate::relay::InProcessRelay::start().await.unwrap();
        let buyer = Buyer::connect(Keys::generate(), &[relay.url().to_owned()]).await.unwrap();
        let request = |at: usize| buyer.sign(5050, &[], UnixTime::new(at as u64)).unwrap();
        for at in 0..REQUESTS_MAX {
            let request = request(at);
            let forgotten = [&request, &request].map(|request| buyer.remember(request).is_some());
            assert_eq!(forgotten, [false; 2], "{at}");
        }
        let forgotten = buyer.remember(&request(REQUESTS_MAX)).map(|oldest| oldest.id());
        assert_eq!(forgotten, Some(request(0).id()));
        buyer.disconnect().await;
    }

    /// Goal: an event with the id of another one is ignored, even if the library has verified that
    /// id. Method: a result, and another text with its id.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_event_with_a_foreign_id_is_ignored() {
        let relay = crate::relay::InProcessRelay::start().await.unwrap();
        let keys = Keys::generate();
        let buyer = Buyer::connect(keys.clone(), &[relay.url().to_owned()]).await.unwrap();
        let answer = |text: &str| {
            let tags = [
                nip90::AnswerTag::Job(JobId::from_bytes([1; 32])).to_tag(),
                nostr_sdk::Tag::public_key(keys.public_key()),
            ];
            let event = nostr_sdk::EventBuilder::new(Kind::from_u16(6050), text).tags(tags);
            event.allow_self_tagging().sign_with_keys(&Keys::generate()).unwrap()
        };
        let (real, mut lie) = (answer("real"), answer("lie"));
        assert!(
            matches!(buyer.reader.read(&real), Some(ProviderMessage::Result(result)) if result.content == "real")
        );
        lie.id = real.id;
        assert_eq!(buyer.reader.read(&lie), None);
        buyer.disconnect().await;
    }
}

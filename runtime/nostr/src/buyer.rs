//! The other side of the market: publishes requests and hears what providers say to them. What it hands on is checked: the signature by
//! the SDK, the request and the addressee here; what is encrypted to us is opened, and what came in parts is put together.

mod query;
mod relay_reader;

pub use relay_reader::{RelayReader, Responses};

use super::nip90::{self, Delivered, Feedback, RequestTag};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use nostr_sdk::{Event, Filter, JsonUtil, Keys, Kind, RelayPoolNotification, Timestamp};
use pylon_core::{JobId, PublicKey, UnixTime};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;
use tokio::time::Instant;

/// Answers in parts that are put together at once: whoever names parts that are nowhere must not keep us from the others.
const WHOLES_AT_ONCE: usize = 8;

/// Why a buyer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum BuyerError {
    /// No relay to talk to.
    #[error("no relay: {0}")]
    Relay(String),
    /// No relay took the request.
    #[error("the request was not published: {0}")]
    NotPublished(String),
    /// None of them says what it has; each with its reason.
    #[error("no relay has answered: {0}")]
    QueryError(String),
    /// The connection was closed.
    #[error("the relays are gone")]
    Closed,
}

/// What a provider said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderMessage {
    /// How the job stands.
    Feedback(Feedback),
    /// The result.
    Result(Delivered),
    /// Something about the job that cannot be read: not encrypted to us, or not whole.
    Unreadable {
        /// Which job.
        job: JobId,
        /// Who said it.
        provider: PublicKey,
        /// What is wrong with it.
        why: String,
    },
}

impl ProviderMessage {
    /// Which job it is about.
    pub fn job(&self) -> JobId {
        match self {
            Self::Feedback(feedback) => feedback.job,
            Self::Result(result) => result.job,
            Self::Unreadable { job, .. } => *job,
        }
    }

    /// Who said it.
    pub fn provider(&self) -> PublicKey {
        match self {
            Self::Feedback(feedback) => feedback.provider,
            Self::Result(result) => result.provider,
            Self::Unreadable { provider, .. } => *provider,
        }
    }
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
        Event::from_json(json)
            .ok()
            .filter(|event| event.verify().is_ok())
            .map(|event| Self { event })
    }

    /// 5000 to 5999.
    pub fn kind(&self) -> u16 {
        self.event.kind.as_u16()
    }

    /// When it was made.
    pub fn created_at(&self) -> UnixTime {
        UnixTime::new(self.event.created_at.as_secs())
    }

    /// Was this provider asked? Who names none asks all.
    pub fn is_for(&self, provider: PublicKey) -> bool {
        let mut named = self.providers().peekable();
        named.peek().is_none() || named.any(|key| key == provider)
    }

    /// Was this to be between the two of us, and was said to all?
    pub fn is_betrayed(&self, result: &Delivered) -> bool {
        nip90::encryption::is_encrypted(&self.event) && !result.encrypted
    }

    fn providers(&self) -> impl Iterator<Item = PublicKey> {
        self.event.tags.public_keys().map(|key| PublicKey::from_bytes(*key.as_bytes()))
    }

    /// Is this what was asked for, from who was asked? The signature was checked when it came.
    pub fn check(&self, result: &Delivered) -> Result<(), String> {
        if !self.is_for(result.provider) {
            return Err("made by somebody who was not asked".into());
        }
        if result.job != self.id() {
            return Err("the result of another job".into());
        }
        if result.kind != self.kind() {
            return Err(format!(
                "a result of kind {} for a request of kind {}",
                result.kind,
                self.kind()
            ));
        }
        match &result.request {
            Some(json)
                if Event::from_json(json).map(|event| event.id).ok() != Some(self.event.id) =>
            {
                Err("quotes another request".into())
            }
            _ => Ok(()),
        }
    }
}

/// A customer on the market, who listens.
pub struct Buyer {
    reader: RelayReader,
    notifications: broadcast::Receiver<RelayPoolNotification>,
    /// What was asked for over this connection.
    asked: Mutex<HashMap<JobId, Request>>,
    /// Results whose parts are looked for, and looks at what was missed.
    under_way: FuturesUnordered<BoxFuture<'static, Vec<ProviderMessage>>>,
    /// What these found.
    found: VecDeque<ProviderMessage>,
}

impl Buyer {
    /// Connects and listens for whatever is addressed to these keys.
    pub async fn connect(keys: Keys, relays: &[String]) -> Result<Self, BuyerError> {
        let reader = RelayReader::open(keys, relays).await?;
        let notifications = reader.client.notifications();
        let kinds = (6000..=6999).chain([nip90::FEEDBACK_KIND]).map(Kind::from_u16);
        let filter = Filter::new()
            .kinds(kinds)
            .pubkey(reader.keys.public_key())
            .since(Timestamp::now() - 5u64);
        reader
            .client
            .subscribe(filter, None)
            .await
            .map_err(|error| BuyerError::Relay(error.to_string()))?;
        let (under_way, found) = (FuturesUnordered::new(), VecDeque::new());
        Ok(Self { reader, notifications, asked: Mutex::default(), under_way, found })
    }

    /// Listens no longer: what is said from now on is there to be looked for.
    pub fn into_reader(self) -> RelayReader {
        self.reader
    }

    /// Signs and publishes a request of now, as [`Buyer::sign`] does.
    pub async fn request(&self, kind: u16, tags: &[RequestTag]) -> Result<JobId, BuyerError> {
        let request = self.sign(kind, tags, UnixTime::new(Timestamp::now().as_secs()))?;
        self.submit(&request).await?;
        Ok(request.id())
    }

    /// Makes a request final, dated at this second: the same of the same second is the same event. Nothing leaves this machine. With the tag
    /// `encrypted` among these only the one provider that they name can read it.
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

    /// Publishes a request, once or again. From now on only who was asked is heard about it.
    pub async fn submit(&self, request: &Request) -> Result<(), BuyerError> {
        self.asked().insert(request.id(), request.clone());
        self.reader.publish(&request.event).await
    }

    /// Withdraws a request.
    pub async fn cancel(&self, job: JobId, kind: u16) -> Result<(), BuyerError> {
        self.reader.cancel(job, kind).await
    }

    /// The next thing that is said to us about one of our jobs. Nothing is lost if the wait is given up. What was said while we could not follow is
    /// looked for, and may be heard twice.
    pub async fn next(&mut self) -> Result<ProviderMessage, BuyerError> {
        loop {
            if let Some(heard) = self.found.pop_front() {
                return Ok(heard);
            }
            let notification = tokio::select! {
                Some(heard) = self.under_way.next() => {
                    self.found.extend(heard);
                    continue;
                }
                notification = self.notifications.recv() => notification,
            };
            match notification {
                Ok(RelayPoolNotification::Event { event, .. }) => {
                    match self.reader.read(&event).filter(|heard| self.is_asked(heard)) {
                        Some(ProviderMessage::Result(result)) if result.parts.is_some() => {
                            self.found.extend(self.begin(result))
                        }
                        Some(heard) => return Ok(heard),
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

    /// Puts a result together beside whatever else is said, or says that it cannot be done now.
    fn begin(&self, result: Delivered) -> Option<ProviderMessage> {
        if self.under_way.len() >= WHOLES_AT_ONCE {
            let why = "in parts, as too many others are: look again later".into();
            return Some(ProviderMessage::Unreadable {
                job: result.job,
                provider: result.provider,
                why,
            });
        }
        let reader = self.reader.clone();
        self.under_way.push(Box::pin(async move {
            vec![reader.put_together(result, Instant::now() + relay_reader::PARTS_TIMEOUT).await]
        }));
        None
    }

    /// A flood of words for us was more than we could read. What was asked for may be among it.
    fn catch_up(&self, missed: u64) {
        tracing::debug!(missed, "more was said than could be read: looking again");
        for request in
            self.asked().values().take(WHOLES_AT_ONCE.saturating_sub(self.under_way.len()))
        {
            let (reader, request) = (self.reader.clone(), request.clone());
            self.under_way.push(Box::pin(async move {
                let said = reader.responses(&request, RelayReader::ALL_TIMEOUT).await;
                said.map(|said| said.heard).unwrap_or_default()
            }));
        }
    }

    /// Nobody else's words count, and nobody else's parts are looked for.
    fn is_asked(&self, heard: &ProviderMessage) -> bool {
        self.asked().get(&heard.job()).is_some_and(|request| match heard {
            ProviderMessage::Result(result) => request.check(result).is_ok(),
            ProviderMessage::Feedback(_) | ProviderMessage::Unreadable { .. } => {
                request.is_for(heard.provider())
            }
        })
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<JobId, Request>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves.
    pub async fn disconnect(self) {
        self.reader.client.disconnect().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: an event that carries another's id is not heard, whatever the library has verified. Method: a result, and the same in the name of
    /// another event.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_borrowed_id_proves_nothing() {
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

    /// Goal: only the answer to that very request, from who was asked, is one. Method: a right one, then one thing wrong at a time.
    #[test]
    fn a_result_answers_its_request() {
        let (customer, provider) = (Keys::generate(), PublicKey::from_bytes([7; 32]));
        let ask = |tags: &[RequestTag]| Request {
            event: nip90::request(5050, tags).sign_with_keys(&customer).unwrap(),
        };
        let request = ask(&[RequestTag::Provider(provider)]);
        let right = Delivered {
            job: request.id(),
            kind: 5050,
            provider,
            content: "x".into(),
            request: Some(request.to_json()),
            due: None,
            amount_invalid: false,
            guests: Vec::new(),
            attributes: Vec::new(),
            encrypted: false,
            parts: None,
        };
        assert_eq!(request.check(&right), Ok(()));
        assert_eq!(request.check(&Delivered { request: None, ..right.clone() }), Ok(()));
        let other = ask(&[RequestTag::Bid(pylon_core::Msat::new(1))]);
        assert!(other.is_for(PublicKey::from_bytes([8; 32])), "who names none asks all");
        for (wrong, message) in [
            (Delivered { provider: PublicKey::from_bytes([8; 32]), ..right.clone() }, "not asked"),
            (Delivered { job: other.id(), ..right.clone() }, "another job"),
            (Delivered { kind: 5001, ..right.clone() }, "kind 5001"),
            (Delivered { request: Some(other.to_json()), ..right.clone() }, "another request"),
            (Delivered { request: Some("{}".into()), ..right.clone() }, "another request"),
        ] {
            assert!(request.check(&wrong).is_err_and(|why| why.contains(message)), "{message}");
        }
        let changed = request.to_json().replace("5050", "5051");
        assert!(
            Request::from_json(&request.to_json()).is_some()
                && Request::from_json(&changed).is_none()
        );
    }
}

//! The other side of the market: publishes requests and hears what providers say to them. What it hands on is checked: the signature by
//! the SDK, the request and the addressee here; what is encrypted to us is opened, and what came in parts is put together.

use super::nip90::{self, Delivered, Feedback, MAX_PARTS, MAX_WHOLE_BYTES, PART_KIND, Parts, RequestTag};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, FuturesUnordered};
use nostr_sdk::{Client, Event, EventId, Filter, JsonUtil, Keys, Kind, RelayPoolNotification, Timestamp};
use pylon_core::{JobId, PublicKey, UnixTime};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a relay may take to be there.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long one look at what relays have may take.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// Messages about one job that are read.
const SAID_MAX: usize = 500;
/// How long all parts of an answer may take to come.
const PARTS_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks for parts that are missing.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Parts that are asked for at once: every relay gives that many.
const PARTS_AT_ONCE: usize = 50;
/// Answers in parts that are put together at once: whoever names parts that are nowhere must not keep us from the others.
const WHOLES_AT_ONCE: usize = 8;
/// Answers to one job that are put together when all of it is looked at.
const WHOLES_MAX: usize = 32;

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

impl Heard {
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

    /// Was this provider asked? Who names none asks all.
    pub fn is_for(&self, provider: PublicKey) -> bool {
        let mut named = self.providers().peekable();
        named.peek().is_none() || named.any(|key| key == provider)
    }

    /// Was this to be between the two of us, and was said to all?
    pub fn is_betrayed(&self, result: &Delivered) -> bool {
        nip90::secrecy::is_encrypted(&self.event) && !result.encrypted
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
    /// What was asked for over this connection.
    asked: Mutex<HashMap<JobId, Request>>,
    /// Results whose parts are looked for, and looks at what was missed.
    under_way: FuturesUnordered<BoxFuture<'static, Vec<Heard>>>,
    /// What these found.
    found: VecDeque<Heard>,
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
        Ok(Self {
            client,
            keys,
            notifications,
            asked: Mutex::default(),
            under_way: FuturesUnordered::new(),
            found: VecDeque::new(),
        })
    }

    /// Signs and publishes a request of now, as [`Buyer::sign`] does.
    pub async fn request(&self, kind: u16, tags: &[RequestTag]) -> Result<JobId, BuyerError> {
        let request = self.sign(kind, tags, UnixTime::new(Timestamp::now().as_secs()))?;
        self.submit(&request).await?;
        Ok(request.id())
    }

    /// Makes a request final, dated at this second: the same of the same second is the same event. Nothing leaves this machine. With the tag
    /// `encrypted` among these only the one provider that they name can read it.
    pub fn sign(&self, kind: u16, tags: &[RequestTag], at: UnixTime) -> Result<Request, BuyerError> {
        let builder = if tags.contains(&RequestTag::Encrypted) {
            nip90::confidential_request(kind, tags, &self.keys).map_err(BuyerError::NotPublished)?
        } else {
            nip90::request(kind, tags)
        };
        let event = builder.custom_created_at(Timestamp::from_secs(at.get())).sign_with_keys(&self.keys);
        event.map(|event| Request { event }).map_err(|error| BuyerError::NotPublished(error.to_string()))
    }

    /// Publishes a request, once or again. From now on only who was asked is heard about it.
    pub async fn submit(&self, request: &Request) -> Result<(), BuyerError> {
        self.asked().insert(request.id(), request.clone());
        self.publish(&request.event).await
    }

    /// All that those who were asked have said about this job so far.
    pub async fn said(&self, request: &Request) -> Result<Vec<Heard>, BuyerError> {
        self.desk().said(request).await
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
            // The same request within one second is one event, and it is there.
            return if why.starts_with("duplicate:") { Ok(()) } else { Err(BuyerError::NotPublished(why)) };
        }
        Ok(())
    }

    /// The next thing that is said to us about one of our jobs. Nothing is lost if the wait is given up. What was said while we could not follow is
    /// looked for, and may be heard twice.
    pub async fn next(&mut self) -> Result<Heard, BuyerError> {
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
                    match self.desk().read(&event).filter(|heard| self.is_asked(heard)) {
                        Some(Heard::Result(result)) if result.parts.is_some() => self.found.extend(self.begin(result)),
                        Some(heard) => return Ok(heard),
                        None => {}
                    }
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => self.catch_up(missed),
                Ok(RelayPoolNotification::Shutdown) | Err(broadcast::error::RecvError::Closed) => return Err(BuyerError::Closed),
                Ok(RelayPoolNotification::Message { .. }) => {}
            }
        }
    }

    /// Puts a result together beside whatever else is said, or says that it cannot be done now.
    fn begin(&self, result: Delivered) -> Option<Heard> {
        if self.under_way.len() >= WHOLES_AT_ONCE {
            let why = "in parts, as too many others are: look again later".into();
            return Some(Heard::Unreadable { job: result.job, provider: result.provider, why });
        }
        let desk = self.desk();
        self.under_way.push(Box::pin(async move { vec![desk.put_together(result).await] }));
        None
    }

    /// A flood of words for us was more than we could read. What was asked for may be among it.
    fn catch_up(&self, missed: u64) {
        tracing::debug!(missed, "more was said than could be read: looking again");
        for request in self.asked().values().take(WHOLES_AT_ONCE.saturating_sub(self.under_way.len())) {
            let (desk, request) = (self.desk(), request.clone());
            self.under_way.push(Box::pin(async move { desk.said(&request).await.unwrap_or_default() }));
        }
    }

    fn desk(&self) -> Desk {
        Desk { client: self.client.clone(), keys: self.keys.clone() }
    }

    /// Nobody else's words count, and nobody else's parts are looked for.
    fn is_asked(&self, heard: &Heard) -> bool {
        self.asked().get(&heard.job()).is_some_and(|request| match heard {
            Heard::Result(result) => request.check(result).is_ok(),
            Heard::Feedback(_) | Heard::Unreadable { .. } => request.is_for(heard.provider()),
        })
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<JobId, Request>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves.
    pub async fn disconnect(self) {
        self.client.disconnect().await;
    }
}

/// Reads what relays have for us.
#[derive(Clone)]
struct Desk {
    client: Client,
    keys: Keys,
}

impl Desk {
    async fn said(&self, request: &Request) -> Result<Vec<Heard>, BuyerError> {
        let about = EventId::from_byte_array(*request.id().as_bytes());
        let key = |key: PublicKey| nostr_sdk::PublicKey::from_byte_array(*key.as_bytes());
        let providers: Vec<_> = request.providers().map(key).collect();
        let (mut said, mut in_parts) = (Vec::new(), Vec::new());
        // Apart, so that no flood of the one hides the other.
        for kind in [request.kind().saturating_add(nip90::RESULT_OFFSET), nip90::FEEDBACK_KIND] {
            let filter = Filter::new().kind(Kind::from_u16(kind)).event(about).pubkey(self.keys.public_key()).limit(SAID_MAX);
            let filter = if providers.is_empty() { filter } else { filter.authors(providers.clone()) };
            let events = self.client.fetch_events(filter, LOOK_WITHIN).await;
            let events = events.map_err(|error| BuyerError::Relay(error.to_string()))?;
            for heard in events.iter().filter_map(|event| self.read(event)) {
                match heard {
                    Heard::Result(result) if result.parts.is_some() && request.check(&result).is_ok() => in_parts.push(result),
                    heard => said.push(heard),
                }
            }
        }
        let (few, many) = in_parts.split_at(in_parts.len().min(WHOLES_MAX));
        said.extend(many.iter().map(|result| Heard::Unreadable {
            job: result.job,
            provider: result.provider,
            why: format!("in parts, as too many others are: {WHOLES_MAX} are looked at"),
        }));
        let wholes = stream::iter(few.iter().cloned().map(|result| self.put_together(result)));
        said.extend(wholes.buffer_unordered(WHOLES_AT_ONCE).collect::<Vec<_>>().await);
        // Relays may bring what was not asked for.
        said.retain(|heard| heard.job() == request.id() && request.is_for(heard.provider()));
        Ok(said)
    }

    fn read(&self, event: &Event) -> Option<Heard> {
        // The library takes the id of a verified event as proof for whatever carries it. Only the hash proves it.
        if !event.verify_id() {
            return None;
        }
        if !event.tags.public_keys().any(|key| *key == self.keys.public_key()) {
            return None;
        }
        let (job, provider, heard) = if let Some(feedback) = nip90::parse_feedback(event) {
            (feedback.job, feedback.provider, feedback.open(&self.keys).map(Heard::Feedback))
        } else {
            let result = nip90::parse_result(event)?;
            (result.job, result.provider, result.open(&self.keys).map(Heard::Result))
        };
        Some(heard.unwrap_or_else(|why| Heard::Unreadable { job, provider, why }))
    }

    async fn put_together(&self, result: Delivered) -> Heard {
        let (job, provider) = (result.job, result.provider);
        let parts = match &result.parts {
            Some(parts) if parts.list.len() > MAX_PARTS || parts.bytes > MAX_WHOLE_BYTES => {
                let why = format!("{} bytes in {} parts are too many", parts.bytes, parts.list.len());
                return Heard::Unreadable { job, provider, why };
            }
            Some(parts) => self.fetch(parts).await,
            None => Vec::new(),
        };
        let whole = nip90::assemble(result, &parts, &self.keys);
        whole.map_or_else(|why| Heard::Unreadable { job, provider, why }, Heard::Result)
    }

    /// All parts, or those that came in time.
    async fn fetch(&self, parts: &Parts) -> Vec<Event> {
        let mut missing: Vec<EventId> = parts.list.iter().map(|(id, _)| EventId::from_byte_array(*id.as_bytes())).collect();
        let (mut found, until) = (Vec::with_capacity(missing.len()), Instant::now() + PARTS_WITHIN);
        while !missing.is_empty() {
            let some = missing.iter().take(PARTS_AT_ONCE).copied();
            let filter = Filter::new().kind(Kind::from_u16(PART_KIND)).ids(some);
            let before = found.len();
            match timeout_at(until, self.client.fetch_events(filter, LOOK_WITHIN)).await {
                Ok(Ok(events)) => found.extend(events.into_iter().filter(Event::verify_id)),
                Ok(Err(error)) => tracing::debug!(%error, "a look for parts failed"),
                Err(_) => break,
            }
            missing.retain(|id| !found.iter().any(|event: &Event| event.id == *id));
            // More than was named is not the answer, however much more there is.
            if found.iter().map(|event| event.content.len() as u64).sum::<u64>() > parts.bytes {
                break;
            }
            // What is not there now may still be on its way.
            if found.len() == before && timeout_at(until, sleep(LOOK_AGAIN)).await.is_err() {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: an event that carries another's id is not heard, whatever the library has verified. Method: a result, and the same in the name of
    /// another event.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_borrowed_id_proves_nothing() {
        let relay = crate::market::relay::InProcessRelay::start().await.unwrap();
        let keys = Keys::generate();
        let buyer = Buyer::connect(keys.clone(), &[relay.url().to_owned()]).await.unwrap();
        let answer = |text: &str| {
            let tags =
                [nip90::AnswerTag::Job(JobId::from_bytes([1; 32])).to_tag(), nostr_sdk::Tag::public_key(keys.public_key())];
            let event = nostr_sdk::EventBuilder::new(Kind::from_u16(6050), text).tags(tags);
            event.allow_self_tagging().sign_with_keys(&Keys::generate()).unwrap()
        };
        let (real, mut lie) = (answer("real"), answer("lie"));
        assert!(matches!(buyer.desk().read(&real), Some(Heard::Result(result)) if result.content == "real"));
        lie.id = real.id;
        assert_eq!(buyer.desk().read(&lie), None);
        buyer.disconnect().await;
    }

    /// Goal: only the answer to that very request, from who was asked, is one. Method: a right one, then one thing wrong at a time.
    #[test]
    fn a_result_answers_its_request() {
        let (customer, provider) = (Keys::generate(), PublicKey::from_bytes([7; 32]));
        let ask = |tags: &[RequestTag]| Request { event: nip90::request(5050, tags).sign_with_keys(&customer).unwrap() };
        let request = ask(&[RequestTag::Provider(provider)]);
        let right = Delivered {
            job: request.id(),
            kind: 5050,
            provider,
            content: "x".into(),
            request: Some(request.to_json()),
            due: None,
            due_unreadable: false,
            guests: Vec::new(),
            attributes: Vec::new(),
            encrypted: false,
            parts: None,
        };
        assert_eq!(request.check(&right), Ok(()));
        assert_eq!(request.check(&Delivered { request: None, ..right.clone() }), Ok(()));
        let other = ask(&[RequestTag::Bid(pylon_core::Msat::new(1))]);
        assert!(other.is_for(PublicKey::from_bytes([8; 32])), "who names none asks all");
        for (wrong, words) in [
            (Delivered { provider: PublicKey::from_bytes([8; 32]), ..right.clone() }, "not asked"),
            (Delivered { job: other.id(), ..right.clone() }, "another job"),
            (Delivered { kind: 5001, ..right.clone() }, "kind 5001"),
            (Delivered { request: Some(other.to_json()), ..right.clone() }, "another request"),
            (Delivered { request: Some("{}".into()), ..right.clone() }, "another request"),
        ] {
            assert!(request.check(&wrong).is_err_and(|why| why.contains(words)), "{words}");
        }
        let changed = request.to_json().replace("5050", "5051");
        assert!(Request::from_json(&request.to_json()).is_some() && Request::from_json(&changed).is_none());
    }
}

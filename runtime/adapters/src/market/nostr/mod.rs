//! NIP-90 over Nostr relays. The library connects, checks signatures and authenticates; what is said and what it means is
//! in `nip90`, what is let in in `intake`, and how a relay is held in `link`.

mod expired;
mod intake;
mod link;
mod outgoing;
#[cfg(test)]
mod tests;

pub use intake::Counts;

use super::nip90::{MAX_TAGS, Reader, write};
use super::{Change, Entry, OpenError, Opened, identity};
use async_trait::async_trait;
use expired::Transport;
use intake::{Bounds, Gate, Intake, Queued};
use link::{Link, Shared};
use nostr_sdk::prelude::{
    Client, ClientOptions, Event, JsonUtil, Keys, Relay, RelayLimits, RelayOptions, RelayPoolOptions, RelayUrl, Timestamp,
};
use outgoing::Outgoing;
use pylon_core::ports::market::{Delivery, Incoming, Market, MarketError, Message, Sealed};
use pylon_core::{MessageId, PublicKey, UnixTime};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, broadcast, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// What a relay may send at once. A request of the largest size fits in twice over, however it is escaped.
const MAX_MESSAGE_BYTES: u32 = 256 * 1024;
/// Answers of a relay that wait to be read. Events do not pass through here.
const NOTIFICATIONS: usize = 4096;
/// Comings and goings of relays that wait to be read.
const CHANGES: usize = 256;

/// What may be tuned. The defaults are for a public node.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Relays that must have a message before it counts as delivered.
    pub quorum: usize,
    /// How long one sending may take.
    pub send_deadline: Duration,
    /// How far back requests are asked for at first, at most as far as they are taken.
    pub catch_up: Duration,
    /// Before a relay that is out of reach is tried again; grows with every failure.
    pub retry: Duration,
    /// Before a relay that closed our subscription is asked again; doubles each time.
    pub backoff: Duration,
    /// Events that wait to be read.
    pub queue_events: usize,
    /// Their bytes.
    pub queue_bytes: usize,
    /// How long an event may hold up its relay while the queue is full.
    pub queue_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            quorum: 1,
            send_deadline: Duration::from_secs(10),
            catch_up: Duration::from_secs(3600),
            retry: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
            queue_events: 32_768,
            queue_bytes: 64 * 1024 * 1024,
            queue_wait: Duration::from_secs(5),
        }
    }
}

/// The market on Nostr relays.
pub struct NostrMarket {
    keys: Keys,
    reader: Reader,
    client: Client,
    relays: Vec<Relay>,
    intake: Arc<Intake>,
    inbox: Mutex<mpsc::Receiver<Queued>>,
    outgoing: Arc<Outgoing>,
    changes: broadcast::Sender<Change>,
    live: watch::Receiver<usize>,
    kinds: watch::Sender<Arc<[u16]>>,
    closed: watch::Sender<bool>,
    links: Vec<AbortHandle>,
    options: Options,
}

/// The row of this market.
pub(super) async fn open(entry: Entry) -> Result<Opened, OpenError> {
    let (market, changes) = NostrMarket::connect(entry, Options::default()).await?;
    Ok(Opened { market: Arc::new(market), changes })
}

impl NostrMarket {
    /// Begins to connect and to subscribe, and goes on trying. The receiver has missed no change.
    pub async fn connect(entry: Entry, options: Options) -> Result<(Self, broadcast::Receiver<Change>), OpenError> {
        let Entry { keys, urls, kinds } = entry;
        let reader = Reader::new(identity::public_key(&keys));
        let (kinds, served) = watch::channel(Arc::from(kinds));
        let bounds = Bounds { events: options.queue_events, bytes: options.queue_bytes, wait: options.queue_wait };
        let (intake, inbox) = Intake::new(reader.clone(), served.clone(), bounds);
        // Nobody reads the pool's own channel: the relays are read one by one.
        let pool = RelayPoolOptions::new().notification_channel_size(1);
        let client = Client::builder()
            .signer(keys.clone())
            .admit_policy(Gate(Arc::clone(&intake)))
            .websocket_transport(Transport(Arc::clone(&intake)))
            .opts(ClientOptions::new().pool(pool))
            .build();
        let relays = add_relays(&client, &urls, options).await?;

        let (changes, first_changes) = broadcast::channel(CHANGES);
        let (live, live_now) = watch::channel(0);
        let outgoing = Arc::new(Outgoing::default());
        let (changes_out, outgoing_too) = (changes.clone(), Arc::clone(&outgoing));
        let shared = Arc::new(Shared { kinds: served, changes: changes_out, live, outgoing: outgoing_too, options });
        let mut links = Vec::with_capacity(relays.len());
        for relay in &relays {
            let notifications = relay.notifications();
            let link = Link::new(relay.clone(), Arc::clone(&shared));
            links.push(tokio::spawn(link.run(notifications)).abort_handle());
            relay.connect();
        }
        let (inbox, closed) = (Mutex::new(inbox), watch::Sender::new(false));
        let live = live_now;
        let market = Self { keys, reader, client, relays, intake, inbox, outgoing, changes, live, kinds, closed, links, options };
        Ok((market, first_changes))
    }

    /// Waits until some relay has given us all it had and passes on what is new. False if none did by then.
    pub async fn ready(&self, deadline: Duration) -> bool {
        let mut live = self.live.clone();
        timeout(deadline, live.wait_for(|relays| *relays > 0)).await.is_ok_and(|live| live.is_ok())
    }

    /// How relays come and go, from now on.
    pub fn relay_changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Asks every relay for these request kinds instead.
    pub fn serve(&self, kinds: Vec<u16>) {
        self.kinds.send_replace(Arc::from(kinds));
    }

    /// Every relay, in the order given, and whether it is connected now.
    pub fn relays(&self) -> Vec<(String, bool)> {
        self.relays.iter().map(|relay| (relay.url().to_string(), relay.is_connected())).collect()
    }

    /// What became of the events so far.
    pub fn counts(&self) -> Counts {
        self.intake.counts()
    }

    /// The key that signs here.
    pub fn public_key(&self) -> PublicKey {
        identity::public_key(&self.keys)
    }

    /// Leaves the market: `next` is over, and relays are let go.
    pub async fn close(&self) {
        self.closed.send_replace(true);
        self.links.iter().for_each(AbortHandle::abort);
        self.client.shutdown().await;
    }
}

impl Drop for NostrMarket {
    fn drop(&mut self) {
        self.links.iter().for_each(AbortHandle::abort);
        self.relays.iter().for_each(Relay::disconnect);
    }
}

#[async_trait]
impl Market for NostrMarket {
    async fn next(&self) -> Option<Incoming> {
        let mut inbox = self.inbox.lock().await;
        let mut closed = self.closed.subscribe();
        loop {
            let Queued { event, screened, .. } = tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => return None,
                queued = inbox.recv() => queued?,
            };
            tracing::trace!(target: "compute", id = %event.id, kind = event.kind.as_u16(), from = %event.pubkey, "in");
            if let Ok(incoming) = self.reader.read(&event, screened, now()) {
                return Some(incoming);
            }
        }
    }

    fn seal(&self, message: &Message<'_>, now: UnixTime) -> Result<Sealed, MarketError> {
        let event = write(message, now)?.sign_with_keys(&self.keys);
        let event = event.map_err(|error| MarketError::Unpublishable(error.to_string()))?;
        Ok(Sealed { id: MessageId::from_bytes(event.id.to_bytes()), bytes: event.as_json() })
    }

    async fn send(&self, sealed: &Sealed) -> Delivery {
        let Ok(event) = Event::from_json(&sealed.bytes) else {
            tracing::error!(id = %sealed.id, "sealed bytes are not an event");
            return Delivery::Refused;
        };
        let Options { quorum, send_deadline, .. } = self.options;
        let quorum = quorum.clamp(1, self.relays.len().max(1));
        let delivery = self.outgoing.offer(&event, &self.relays, quorum, send_deadline).await;
        tracing::trace!(target: "compute", id = %event.id, kind = event.kind.as_u16(), ?delivery, "out");
        delivery
    }
}

async fn add_relays(client: &Client, urls: &[String], options: Options) -> Result<Vec<Relay>, OpenError> {
    let mut limits = RelayLimits::default();
    limits.messages.max_size = Some(MAX_MESSAGE_BYTES);
    // A request that is somewhat too large still gets an answer; one that is absurd costs no signature check.
    limits.events.max_num_tags = u16::try_from(MAX_TAGS * 2).ok();
    let settings = RelayOptions::new().limits(limits).retry_interval(options.retry).notification_channel_size(NOTIFICATIONS);
    let pool = client.pool();
    let mut relays = Vec::with_capacity(urls.len());
    for text in urls {
        let url = RelayUrl::parse(text).map_err(|_| OpenError::Address(text.clone()))?;
        let failed = |error: &dyn std::fmt::Display| OpenError::Relay(text.clone(), error.to_string());
        // The same relay, written twice, is one.
        if pool.add_relay(&url, settings.clone()).await.map_err(|error| failed(&error))? {
            relays.push(pool.relay(&url).await.map_err(|error| failed(&error))?);
        }
    }
    if relays.is_empty() { Err(OpenError::NoRelay) } else { Ok(relays) }
}

fn now() -> UnixTime {
    UnixTime::new(Timestamp::now().as_secs())
}

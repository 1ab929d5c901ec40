//! NIP-90 over Nostr relays. The library connects, checks signatures and authenticates; what is said and what it means is
//! in `nip90`, what is let in in `intake`, which relays there are in `relays`, and how one is held in `link`.

mod announcer;
mod customer_relays;
mod events;
mod intake;
pub mod limits;
mod one_shot;
mod outgoing;
mod price_feed;
mod queries;
mod relays;
mod results;
mod session;
mod subscription;
#[cfg(test)]
mod tests;
mod transport;

pub use announcer::read_announcement;
pub use events::MarketEvents;
pub use intake::Counts;
use results::ResultError;

use crate::announcement::NodeAnnouncement;
use crate::nip90::{Reader, about, check, status, write};
use crate::{Change, Entry, OpenError, identity};
use announcer::{Announcer, LatestEvents};
use async_trait::async_trait;
use customer_relays::CustomerRelays;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use intake::{Intake, IntakePolicy, QueueLimits, Queued};
use limits::{Limitation, Limits};
use nostr_sdk::prelude::{
    Client, ClientOptions, Event, EventId, Filter, JsonUtil, Keys, RelayPoolOptions, Timestamp,
};
use one_shot::OneShotRelayClient;
use outgoing::Outgoing;
use price_feed::PriceFeed;
use pylon_core::decision::MarketView;
use pylon_core::message::{Incoming, Message, SendOutcome, SignedMessage};
use pylon_core::ports::market::{Market, MarketError};
use pylon_core::work::Output;
use pylon_core::{Job, JobId, MessageId, PublicKey, UnixTime};
use pylon_egress::policy::EgressPolicy;
use queries::RelayQueries;
use relays::Relays;
use results::Results;
use session::SessionContext;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, broadcast, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use transport::Transport;

/// What a relay may send at once. A request of the largest size fits in twice over, however it is escaped.
const MESSAGE_BYTES_MAX: u32 = 256 * 1024;
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
    pub send_timeout: Duration,
    /// Requests from before this are not asked for, and none from before they are too old to be taken.
    pub since: UnixTime,
    /// Before a relay that is out of reach is tried again; grows with every failure.
    pub retry: Duration,
    /// Before a relay that closed our subscription is asked again; doubles each time.
    pub backoff: Duration,
    /// How long a relay may take to say that it has sent what it had; then it is asked again.
    pub answer_timeout: Duration,
    /// A subscription that flows is asked for once more this often: a relay may fall silent without a word.
    pub probe_interval: Duration,
    /// Events that wait to be read.
    pub queue_events: usize,
    /// Their bytes.
    pub queue_bytes: usize,
    /// How long an event may hold up its relay while the queue is full.
    pub queue_timeout: Duration,
    /// Changes of what we say of ourselves that come within this are said together.
    pub debounce: Duration,
    /// How often relays are asked whether they still have what we say of ourselves.
    pub reannounce_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            quorum: 1,
            send_timeout: Duration::from_secs(10),
            since: UnixTime::new(0),
            retry: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
            answer_timeout: Duration::from_secs(30),
            probe_interval: Duration::from_secs(300),
            queue_events: 32_768,
            queue_bytes: 64 * 1024 * 1024,
            queue_timeout: Duration::from_secs(5),
            debounce: Duration::from_secs(2),
            reannounce_interval: Duration::from_secs(6 * 3600),
        }
    }
}

/// The market on Nostr relays.
pub struct NostrMarket {
    keys: Keys,
    reader: Reader,
    relays: Relays,
    intake: Arc<Intake>,
    inbox: Mutex<mpsc::Receiver<Queued>>,
    outgoing: Arc<Outgoing>,
    limits: Arc<Limits>,
    live: watch::Receiver<usize>,
    kinds: watch::Sender<Arc<[u16]>>,
    queries: Arc<RelayQueries>,
    results: Arc<Results>,
    prices: Arc<PriceFeed>,
    customer_relays: StdMutex<Option<Arc<CustomerRelays>>>,
    announcement: watch::Sender<Option<NodeAnnouncement>>,
    announcer: Arc<Announcer>,
    announcer_task: AbortHandle,
    closed: watch::Sender<bool>,
    options: Options,
}

impl NostrMarket {
    /// Begins to connect and to subscribe, and goes on trying. The receiver has missed no change.
    pub async fn connect(
        entry: Entry,
        options: Options,
    ) -> Result<(Self, broadcast::Receiver<Change>), OpenError> {
        let Entry { keys, urls, kinds } = entry;
        let reader = Reader::new(identity::public_key(&keys));
        let (kinds, served) = watch::channel(Arc::from(kinds));
        let bounds = QueueLimits {
            events: options.queue_events,
            bytes: options.queue_bytes,
            wait: options.queue_timeout,
        };
        let (intake, inbox) = Intake::new(reader.clone(), served.clone(), bounds);
        let (queries, results) = (Arc::new(RelayQueries::default()), Arc::new(Results::default()));
        let prices = Arc::new(PriceFeed::new(keys.public_key(), served.clone()));
        let gate = IntakePolicy {
            intake: Arc::clone(&intake),
            queries: Arc::clone(&queries),
            results: Arc::clone(&results),
            prices: Arc::clone(&prices),
        };
        let hang_up = broadcast::Sender::new(CHANGES);
        // Nobody reads the pool's own channel: the relays are read one by one.
        let pool = RelayPoolOptions::new().notification_channel_size(1);
        let client = Client::builder()
            .signer(keys.clone())
            .admit_policy(gate)
            .websocket_transport(Transport {
                intake: Arc::clone(&intake),
                prices: Arc::clone(&prices),
                hang_up: hang_up.clone(),
            })
            .opts(ClientOptions::new().pool(pool))
            .build();
        let limits = Arc::new(
            Limits::new()
                .map_err(|error| OpenError::Relay("no HTTP client".into(), error.to_string()))?,
        );

        let (changes, first_changes) = broadcast::channel(CHANGES);
        let (live, live_now) = watch::channel(0);
        let outgoing = Arc::new(Outgoing::default());
        let shared = Arc::new(SessionContext {
            us: keys.public_key(),
            held: watch::Sender::new(Arc::from([])),
            kinds: served,
            changes: changes.clone(),
            live,
            outgoing: Arc::clone(&outgoing),
            limits: Arc::clone(&limits),
            queries: Arc::clone(&queries),
            results: Arc::clone(&results),
            hang_up,
            options,
        });
        let relays = Relays::new(client.pool().clone(), shared);
        relays.hold(&urls).await?;
        let (announcement, wanted) = watch::channel(None);
        let announcer = Arc::new(Announcer {
            keys: keys.clone(),
            relays: relays.watch(),
            queries: Arc::clone(&queries),
            outgoing: Arc::clone(&outgoing),
            latest: Arc::new(LatestEvents::default()),
            debounce: options.debounce,
            reannounce_interval: options.reannounce_interval,
        });
        let announcer_task =
            tokio::spawn(Arc::clone(&announcer).run(wanted, changes.subscribe())).abort_handle();
        let market = Self {
            keys,
            reader,
            relays,
            intake,
            inbox: Mutex::new(inbox),
            outgoing,
            limits,
            live: live_now,
            kinds,
            queries,
            results,
            prices,
            customer_relays: StdMutex::default(),
            announcement,
            announcer,
            announcer_task,
            closed: watch::Sender::new(false),
            options,
        };
        Ok((market, first_changes))
    }

    /// From now on offers answers to the relays that customers name, too, where this policy lets us; without one, to ours alone.
    pub fn set_customer_relays(&self, addresses: Option<Arc<EgressPolicy>>) {
        let mut customer_relays = self.customer_relays();
        *customer_relays = match (customer_relays.take(), addresses) {
            // It knows who asked for what.
            (Some(before), Some(_)) => Some(before),
            (None, Some(addresses)) => Some(Arc::new(CustomerRelays::new(addresses))),
            (_, None) => None,
        };
    }

    fn customer_relays(&self) -> MutexGuard<'_, Option<Arc<CustomerRelays>>> {
        self.customer_relays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is on these relays from now on, and says so there. One that was left keeps what was said on it. An error has changed nothing.
    pub async fn set_relays(&self, urls: &[String]) -> Result<(), OpenError> {
        self.relays.hold(urls).await
    }

    /// Waits until some relay has given us all it had and passes on what is new. False if none did by then.
    pub async fn ready(&self, deadline: Duration) -> bool {
        let mut live = self.live.clone();
        timeout(deadline, live.wait_for(|relays| *relays > 0)).await.is_ok_and(|live| live.is_ok())
    }

    /// What each relay says it takes; `None` for one that has not said so yet.
    pub fn limits(&self) -> Vec<(String, Option<Limitation>)> {
        self.limits.of(&self.relays.urls())
    }

    /// Asks every relay for these request kinds instead.
    pub fn set_kinds(&self, kinds: Vec<u16>) {
        self.kinds.send_if_modified(|served| {
            let changed = **served != *kinds;
            *served = Arc::from(kinds);
            changed
        });
    }

    /// Keeps this said on every relay, from now on.
    pub fn announce(&self, announcement: NodeAnnouncement) {
        self.announcement.send_if_modified(|said| {
            let changed = said.as_ref() != Some(&announcement);
            *said = Some(announcement);
            changed
        });
    }

    /// Takes the announcement back from every relay within reach; profile and relays stay said. Nothing is announced after it.
    pub async fn withdraw(&self, within: Duration) {
        self.announcer_task.abort();
        let _ = timeout(within, self.announcer.withdraw()).await;
    }

    /// The text of a message, from a relay of ours or from the one that is said to have it, if that may be visited.
    async fn message(
        &self,
        id: MessageId,
        hint: Option<&str>,
        addresses: &EgressPolicy,
        within: Duration,
    ) -> Option<String> {
        let id = EventId::from_byte_array(*id.as_bytes());
        let relays = self.relays.all();
        let ours = relays.iter().map(|relay| {
            Box::pin(async move {
                let events = self.queries.ask(relay, Filter::new().id(id), within).await.ok()?;
                events.into_iter().next()
            }) as BoxFuture<'_, Option<Event>>
        });
        let elsewhere = hint.map(|relay| {
            Box::pin(
                async move { OneShotRelayClient::begin(addresses, relay).await?.find(id).await },
            ) as BoxFuture<'_, Option<Event>>
        });
        let mut found = ours.chain(elsewhere).collect::<FuturesUnordered<_>>();
        let first = timeout(within, async {
            while let Some(event) = found.next().await {
                if event.is_some() {
                    return event;
                }
            }
            None
        });
        first.await.ok().flatten().map(|event| event.content)
    }

    /// The text that a provider delivers for somebody's job, now or within that time.
    async fn result_of(&self, job: JobId, within: Duration) -> Result<String, ResultError> {
        self.results.of(EventId::from_byte_array(*job.as_bytes()), within).await
    }

    /// Every relay, in the order given, and whether it is connected now.
    pub fn relays(&self) -> Vec<(String, bool)> {
        self.relays
            .all()
            .iter()
            .map(|relay| (relay.url().to_string(), relay.is_connected()))
            .collect()
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
        self.announcer_task.abort();
        self.relays.close().await;
    }
}

impl Drop for NostrMarket {
    fn drop(&mut self) {
        self.announcer_task.abort();
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
            let (kind, id) = (event.kind.as_u16(), event.id);
            tracing::trace!(target: "compute", kind, %id, job = about(&event), status = status(&event), from = %event.pubkey, "in");
            if let Ok(incoming) = self.reader.read(&event, screened, now(), &self.keys) {
                if let (Some(customer_relays), Incoming::Job(_) | Incoming::Malformed { .. }) =
                    (&*self.customer_relays(), &incoming)
                {
                    customer_relays.learn(&event, &self.relays.urls());
                }
                return Some(incoming);
            }
        }
    }

    fn check(&self, job: &Job, output: &Output) -> Result<(), MarketError> {
        check(job, output, now(), &self.keys, self.limits.room(&self.relays.urls()))
    }

    fn sign(&self, message: &Message<'_>, now: UnixTime) -> Result<SignedMessage, MarketError> {
        let events = write(message, now, &self.keys, self.limits.room(&self.relays.urls()))?;
        let answer = events
            .last()
            .ok_or_else(|| MarketError::Unpublishable("there is nothing to say".into()))?;
        let id = MessageId::from_bytes(answer.id.to_bytes());
        // One event to a line: JSON as we write it has no line breaks.
        Ok(SignedMessage {
            id,
            bytes: events.iter().map(Event::as_json).collect::<Vec<_>>().join("\n"),
        })
    }

    async fn send(&self, sealed: &SignedMessage) -> SendOutcome {
        let Ok(events) = sealed.bytes.lines().map(Event::from_json).collect::<Result<Vec<_>, _>>()
        else {
            tracing::error!(id = %sealed.id, "sealed bytes are no events");
            return SendOutcome::Refused;
        };
        if let Some(customer_relays) = &*self.customer_relays() {
            customer_relays.tell(&events, &self.relays.urls());
        }
        let Options { quorum, send_timeout, .. } = self.options;
        for event in &events {
            let relays = self.relays.all();
            let quorum = quorum.clamp(1, relays.len().max(1));
            let delivery = self.outgoing.offer(event, &relays, quorum, send_timeout).await;
            let (kind, id) = (event.kind.as_u16(), event.id);
            tracing::trace!(target: "compute", kind, %id, job = about(event), status = status(event), ?delivery, "out");
            // What follows speaks of this one: it waits until this one is there. What relays have already, they take again.
            if delivery != SendOutcome::Delivered {
                return delivery;
            }
        }
        SendOutcome::Delivered
    }

    fn prices(&self, kind: u16, now: UnixTime) -> Option<MarketView> {
        self.prices.view(kind, now)
    }
}

fn now() -> UnixTime {
    UnixTime::new(Timestamp::now().as_secs())
}

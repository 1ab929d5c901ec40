//! NIP-90 over Nostr relays. The library connects, checks signatures and authenticates. `nip90` is
//! the codec, `intake` decides which events enter, `relays` is the set of relays, and `session`
//! keeps one of them subscribed.

mod announcer;
mod clock_evidence;
mod clock_watch;
mod customer_relays;
mod intake;
pub mod limits;
mod one_shot;
mod options;
mod outgoing;
mod price_feed;
mod queries;
mod relays;
pub(crate) mod results;
mod session;
mod subscription;
#[cfg(test)]
mod tests;
mod transport;

pub use announcer::read_announcement;
pub use intake::Counts;
pub use options::Options;

use crate::announcement::NodeAnnouncement;
use crate::nip90::{Reader, check, job_id_of, status_of, write};
use crate::{ConnectError, Entry, RelayChange, identity};
use announcer::{Announcer, LatestEvents};
use async_trait::async_trait;
use clock_evidence::ClockEvidence;
use customer_relays::CustomerRelays;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use intake::{Intake, IntakePolicy, Queued};
use limits::{Limitation, RelayLimits};
use nostr_sdk::prelude::{
    Client, ClientOptions, Event, EventId, Filter, JsonUtil, Keys, RelayPoolOptions,
};
use one_shot::OneShotRelayClient;
use options::CHANGES_MAX;
use outgoing::Outgoing;
use price_feed::PriceFeed;
use pylon_core::decision::MarketView;
use pylon_core::message::{Incoming, Message, RelayRefusal, SendOutcome, SignedMessage};
use pylon_core::ports::market::{Market, MarketError};
use pylon_core::sync::lock;
use pylon_core::work::Output;
use pylon_core::{Job, JobId, MessageId, PublicKey, UnixTime};
use pylon_egress::policy::EgressPolicy;
use queries::RelayQueries;
use relays::Relays;
use results::{ResultError, Results};
use session::SessionContext;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Mutex, broadcast, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use transport::Transport;

/// The market on Nostr relays.
pub struct NostrMarket {
    keys: Keys,
    reader: Reader,
    relays: Relays,
    intake: Arc<Intake>,
    inbox: Mutex<mpsc::Receiver<Queued>>,
    outgoing: Arc<Outgoing>,
    refusals: Mutex<mpsc::Receiver<RelayRefusal>>,
    limits: Arc<RelayLimits>,
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
    clock: Arc<ClockEvidence>,
    options: Options,
}

impl NostrMarket {
    /// Starts to connect and subscribe, and keeps trying. The receiver has missed no change.
    pub async fn connect(
        entry: Entry,
        options: Options,
    ) -> Result<(Self, broadcast::Receiver<RelayChange>), ConnectError> {
        let Entry { keys, urls, kinds, clock } = entry;
        let reader = Reader::new(identity::public_key(&keys));
        let (kinds, served) = watch::channel(Arc::from(kinds));
        let (intake, inbox) =
            Intake::new(reader.clone(), served.clone(), options.queue_limits(), Arc::clone(&clock));
        let (queries, results) = (Arc::new(RelayQueries::default()), Arc::new(Results::default()));
        let prices = Arc::new(PriceFeed::new(keys.public_key(), served.clone()));
        let evidence = Arc::new(ClockEvidence::new(clock));
        let gate = IntakePolicy {
            intake: Arc::clone(&intake),
            queries: Arc::clone(&queries),
            results: Arc::clone(&results),
            prices: Arc::clone(&prices),
            clock: Arc::clone(&evidence),
        };
        let disconnect = broadcast::Sender::new(CHANGES_MAX);
        let transport = Transport {
            intake: Arc::clone(&intake),
            prices: Arc::clone(&prices),
            disconnect: disconnect.clone(),
        };
        let client = client(&keys, gate, transport);
        let limits =
            Arc::new(RelayLimits::new(Arc::clone(&evidence)).map_err(|error| {
                ConnectError::Relay("no HTTP client".into(), error.to_string())
            })?);

        let (changes, first_changes) = broadcast::channel(CHANGES_MAX);
        let (live, live_now) = watch::channel(0);
        let (outgoing, refusals) = Outgoing::new();
        let outgoing = Arc::new(outgoing);
        let clock_steps = clock_watch::start(Arc::clone(&evidence), options.clock_interval);
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
            disconnect,
            clock: Arc::clone(&evidence),
            clock_steps,
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
            heartbeat: StdMutex::default(),
            debounce: options.debounce,
            reannounce_interval: options.reannounce_interval,
            heartbeat_interval: options.heartbeat_interval,
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
            refusals: Mutex::new(refusals),
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
            clock: evidence,
            options,
        };
        Ok((market, first_changes))
    }

    /// Also offers answers to relays that customers name, as far as this policy allows it. With
    /// `None`, only to our own relays.
    pub fn set_customer_relays(&self, addresses: Option<Arc<EgressPolicy>>) {
        let mut customer_relays = self.customer_relays();
        *customer_relays = match (customer_relays.take(), addresses) {
            // It remembers which customers named which relays.
            (Some(before), Some(_)) => Some(before),
            (None, Some(addresses)) => Some(Arc::new(CustomerRelays::new(addresses))),
            (_, None) => None,
        };
    }

    fn customer_relays(&self) -> MutexGuard<'_, Option<Arc<CustomerRelays>>> {
        lock(&self.customer_relays)
    }

    /// Replaces the relays and announces it there. A relay that is no longer used keeps our
    /// announcement. On an error nothing has changed.
    pub async fn set_relays(&self, urls: &[String]) -> Result<(), ConnectError> {
        self.relays.hold(urls).await
    }

    /// Waits until one relay has sent its stored events and forwards new ones. Returns false after
    /// the timeout.
    pub async fn ready(&self, deadline: Duration) -> bool {
        let mut live = self.live.clone();
        timeout(deadline, live.wait_for(|relays| *relays > 0)).await.is_ok_and(|live| live.is_ok())
    }

    /// The limits that each relay declares; `None` until it has declared them.
    pub fn limits(&self) -> Vec<(String, Option<Limitation>)> {
        self.limits.of(&self.relays.urls())
    }

    /// How far the clock of this machine is ahead of the relays; `None` if that is not
    /// known.
    pub fn clock_ahead_seconds(&self) -> Option<i64> {
        self.clock.ahead_seconds()
    }

    /// Replaces the request kinds that relays are asked for.
    pub fn set_kinds(&self, kinds: Vec<u16>) {
        self.kinds.send_if_modified(|served| {
            let changed = **served != *kinds;
            *served = Arc::from(kinds);
            changed
        });
    }

    /// Keeps this announcement on every relay.
    pub fn announce(&self, announcement: NodeAnnouncement) {
        self.announcement.send_if_modified(|current| {
            let changed = current.as_ref() != Some(&announcement);
            *current = Some(announcement);
            changed
        });
    }

    /// Deletes the announcement from every connected relay; profile and relay list stay. Nothing is
    /// announced afterwards.
    pub async fn withdraw(&self, within: Duration) {
        self.announcer_task.abort();
        let _ = timeout(within, self.announcer.withdraw()).await;
    }

    /// The text of a message, from one of our relays or from the relay in `hint`, if the policy
    /// allows it.
    pub(crate) async fn message(
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
                let events = self.queries.query(relay, Filter::new().id(id), within).await.ok()?;
                events.into_iter().next()
            }) as BoxFuture<'_, Option<Event>>
        });
        let elsewhere = hint.map(|relay| {
            Box::pin(
                async move { OneShotRelayClient::connect(addresses, relay).await?.find(id).await },
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

    /// The text that a provider delivers for this job, now or before the timeout.
    pub(crate) async fn result_of(
        &self,
        job: JobId,
        within: Duration,
    ) -> Result<String, ResultError> {
        self.results.of(EventId::from_byte_array(*job.as_bytes()), within).await
    }

    /// Every relay in the given order, and whether it is connected now.
    pub fn relays(&self) -> Vec<(String, bool)> {
        self.relays
            .all()
            .iter()
            .map(|relay| (relay.url().to_string(), relay.is_connected()))
            .collect()
    }

    /// Counts of all events so far.
    pub fn counts(&self) -> Counts {
        self.intake.counts()
    }

    /// The public key of the node.
    pub fn public_key(&self) -> PublicKey {
        identity::public_key(&self.keys)
    }

    /// Leaves the market: `next` ends, and all relays are disconnected.
    pub async fn close(&self) {
        self.closed.send_replace(true);
        self.announcer_task.abort();
        self.relays.close().await;
    }
}

fn client(keys: &Keys, gate: IntakePolicy, transport: Transport) -> Client {
    // The pool's own channel is not read: relays are read one by one.
    let pool = RelayPoolOptions::new().notification_channel_size(1);
    Client::builder()
        .signer(keys.clone())
        .admit_policy(gate)
        .websocket_transport(transport)
        .opts(ClientOptions::new().pool(pool))
        .build()
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
            tracing::trace!(
                target: "compute",
                kind,
                %id,
                job = job_id_of(&event),
                status = status_of(&event),
                from = %event.pubkey,
                "in"
            );
            if let Ok(incoming) = self.reader.read(&event, screened, self.clock.now(), &self.keys) {
                if let (Some(customer_relays), Incoming::Job(_) | Incoming::Malformed { .. }) =
                    (&*self.customer_relays(), &incoming)
                {
                    customer_relays.remember(&event, &self.relays.urls());
                }
                return Some(incoming);
            }
        }
    }

    fn check(&self, job: &Job, output: &Output) -> Result<(), MarketError> {
        check(
            job,
            output,
            self.clock.now(),
            &self.keys,
            self.limits.size_limit(&self.relays.urls()),
        )
    }

    fn sign(&self, message: &Message<'_>, now: UnixTime) -> Result<SignedMessage, MarketError> {
        let events = write(message, now, &self.keys, self.limits.size_limit(&self.relays.urls()))?;
        let answer = events
            .last()
            .ok_or_else(|| MarketError::Unpublishable("the message is empty".into()))?;
        let id = MessageId::from_bytes(answer.id.to_bytes());
        // One event per line: the JSON that we write has no line breaks.
        Ok(SignedMessage {
            id,
            bytes: events.iter().map(Event::as_json).collect::<Vec<_>>().join("\n"),
        })
    }

    async fn send(&self, sealed: &SignedMessage) -> SendOutcome {
        let Ok(events) = sealed.bytes.lines().map(Event::from_json).collect::<Result<Vec<_>, _>>()
        else {
            tracing::error!(id = %sealed.id, "the bytes of a stored message are not events");
            return SendOutcome::Refused;
        };
        if let Some(customer_relays) = &*self.customer_relays() {
            customer_relays.offer(&events, &self.relays.urls());
        }
        let Options { quorum, send_timeout, .. } = self.options;
        let relays = self.relays.all();
        let quorum = quorum.clamp(1, relays.len().max(1));
        let delivery = self.outgoing.deliver(&events, &relays, quorum, send_timeout).await;
        for event in &events {
            let (kind, id) = (event.kind.as_u16(), event.id);
            tracing::trace!(
                target: "compute",
                kind,
                %id,
                job = job_id_of(event),
                status = status_of(event),
                ?delivery,
                "out"
            );
        }
        delivery
    }

    async fn next_refusal(&self) -> Option<RelayRefusal> {
        let mut refusals = self.refusals.lock().await;
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => None,
            refusal = refusals.recv() => refusal,
        }
    }

    fn prices(&self, kind: u16, now: UnixTime) -> Option<MarketView> {
        self.prices.view(kind, now)
    }
}

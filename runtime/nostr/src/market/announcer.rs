//! Keeps the announcement of the node on its relays: asks each relay for it, repeatedly, publishes
//! what is missing or has changed, and deletes the announcement when the node leaves. Meanwhile it
//! publishes the heartbeat.
//! `announcement` decides about the content.

use super::outgoing::Outgoing;
use super::queries::{QueryError, RelayQueries};
use crate::RelayChange;
use crate::announcement::{self, Announced, AnnouncementKind, NodeAnnouncement};
use crate::identity::Keys;
use crate::relay_transport::RelayTransport;
use futures::future::join_all;
use nostr_sdk::prelude::{Client, ClientMessage, Event, Relay, RelayUrl};
use pylon_core::PublicKey;
use pylon_core::admission::AHEAD_SECONDS_MAX;
use pylon_core::backoff::Backoff;
use pylon_core::message::SendOutcome;
use pylon_core::sync::lock;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// A relay that does not answer in time is asked again later.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Backoff between two attempts at a relay that does not accept it.
const BACKOFF_MIN: Duration = Duration::from_secs(5);
const BACKOFF_MAX: Duration = Duration::from_secs(3600);

/// The latest event of each subject, from any relay.
#[derive(Default)]
pub(super) struct LatestEvents(Mutex<HashMap<AnnouncementKind, Event>>);

impl LatestEvents {
    fn get(&self, subject: AnnouncementKind) -> Option<Event> {
        self.lock().get(&subject).cloned()
    }

    fn put(&self, subject: AnnouncementKind, event: Event) {
        let mut latest = self.lock();
        let newer = latest.get(&subject).is_none_or(|last| replaces(&event, last));
        if newer {
            latest.insert(subject, event);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AnnouncementKind, Event>> {
        lock(&self.0)
    }
}

/// The later of two versions is valid; of two with the same second the one with the lower id
/// (NIP-01).
fn replaces(event: &Event, last: &Event) -> bool {
    (event.created_at, std::cmp::Reverse(event.id)) > (last.created_at, std::cmp::Reverse(last.id))
}

/// Publishes the announcement.
pub(super) struct Announcer {
    pub(super) keys: Keys,
    pub(super) relays: watch::Receiver<Arc<[Relay]>>,
    pub(super) queries: Arc<RelayQueries>,
    pub(super) outgoing: Arc<Outgoing>,
    pub(super) latest: Arc<LatestEvents>,
    /// Changes within this time are published together.
    pub(super) debounce: Duration,
    /// Relays may lose events.
    pub(super) reannounce_interval: Duration,
    pub(super) heartbeat_interval: Duration,
    /// The last one.
    pub(super) heartbeat: Mutex<Option<Event>>,
}

impl Announcer {
    /// Runs until the node is dropped.
    pub(super) async fn run(
        self: Arc<Self>,
        mut wanted: watch::Receiver<Option<NodeAnnouncement>>,
        mut changes: broadcast::Receiver<RelayChange>,
    ) {
        let mut relays = self.relays.clone();
        let all =
            || self.all().iter().map(|relay| relay.url().clone()).collect::<HashSet<RelayUrl>>();
        let (mut open, mut due) = (all(), None);
        let mut backoff = Backoff::new(BACKOFF_MIN, BACKOFF_MAX);
        let mut remind = Instant::now() + self.reannounce_interval;
        let mut beat = interval(self.heartbeat_interval);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = wanted.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    (open, due) = (all(), Some(Instant::now() + self.debounce));
                    backoff.reset();
                }
                changed = relays.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    (open, due) = (all(), Some(Instant::now() + self.debounce));
                    backoff.reset();
                }
                change = changes.recv() => match change {
                    Ok(RelayChange { url, connected: true, .. }) => {
                        open.extend(RelayUrl::parse(&url));
                        due = Some(Instant::now() + self.debounce);
                        backoff.reset();
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => (open, due) = (all(), Some(Instant::now() + self.debounce)),
                    Err(RecvError::Closed) => return,
                },
                _ = beat.tick() => self.beat(),
                () = sleep_until(remind) => {
                    (open, due) = (all(), Some(Instant::now()));
                    backoff.reset();
                    remind = Instant::now() + self.reannounce_interval;
                }
                () = async { if let Some(at) = due { sleep_until(at).await } }, if due.is_some() => {
                    let node = wanted.borrow_and_update().clone();
                    due = None;
                    let Some(node) = node else { continue };
                    self.sync(&node, &mut open).await;
                    // Until the first one, clients hide the node.
                    if self.last_heartbeat().is_none() {
                        self.beat();
                        beat.reset();
                    }
                    // A disconnected relay is handled when it is connected again.
                    if self.connected().iter().any(|relay| open.contains(relay.url())) {
                        due = Some(Instant::now() + backoff.next_pause());
                    }
                }
            }
        }
    }

    /// Publishes the heartbeat if the node takes jobs. A relay that misses one gets the next.
    fn beat(&self) {
        let announced = self.latest.get(AnnouncementKind::Announcement);
        if announced.as_ref().and_then(announcement::parse).is_none() {
            return;
        }
        let event = announcement::heartbeat(crate::now());
        let Ok(event) = event.sign_with_keys(&self.keys) else { return };
        for relay in self.connected() {
            // A relay that is disconnected meanwhile gets the next one.
            let _ = relay.send_msg(ClientMessage::Event(Cow::Borrowed(&event)));
        }
        tracing::trace!(target: "compute", id = %event.id, kind = event.kind.as_u16(), "out");
        *lock(&self.heartbeat) = Some(event);
    }

    fn last_heartbeat(&self) -> Option<Event> {
        lock(&self.heartbeat).clone()
    }

    fn all(&self) -> Arc<[Relay]> {
        Arc::clone(&self.relays.borrow())
    }

    fn connected(&self) -> Vec<Relay> {
        self.all().iter().filter(|relay| relay.is_connected()).cloned().collect()
    }

    /// Asks the open relays what they have and sends what is missing. Relays that have everything
    /// are no longer open.
    async fn sync(&self, node: &NodeAnnouncement, open: &mut HashSet<RelayUrl>) {
        let filter = announcement::filter(self.keys.public_key());
        let connected = self.connected();
        let asked = connected.iter().filter(|relay| open.contains(relay.url())).map(|relay| {
            let filter = filter.clone();
            async move { (relay, self.queries.query(relay, filter, ANSWER_TIMEOUT).await) }
        });
        let mut answers = Vec::new();
        for (relay, answer) in join_all(asked).await {
            match answer {
                Ok(events) => answers.push((relay, events)),
                Err(error) => {
                    tracing::debug!(
                        url = %relay.url(),
                        %error,
                        "the relay does not return our announcement"
                    )
                }
            }
        }
        if answers.is_empty() {
            return;
        }
        let mut not_accepted: HashSet<&RelayUrl> = HashSet::new();
        for subject in AnnouncementKind::ALL {
            for event in
                answers.iter().flat_map(|(_, events)| events).filter(|event| subject.is_of(event))
            {
                self.latest.put(subject, event.clone());
            }
            let Some(event) = self.event_to_publish(subject, node) else { continue };
            let lacks = |events: &[Event]| !events.iter().any(|found| found.id == event.id);
            let to: Vec<Relay> = answers
                .iter()
                .filter(|(_, events)| lacks(events))
                .map(|(relay, _)| (*relay).clone())
                .collect();
            if !to.is_empty() && !self.offer(&event, &to).await {
                not_accepted.extend(
                    answers
                        .iter()
                        .filter(|(_, events)| lacks(events))
                        .map(|(relay, _)| relay.url()),
                );
            }
        }
        for (relay, _) in &answers {
            if !not_accepted.contains(relay.url()) {
                open.remove(relay.url());
            }
        }
    }

    /// The event to publish: the latest one, if it is still right, or a new one.
    fn event_to_publish(
        &self,
        subject: AnnouncementKind,
        node: &NodeAnnouncement,
    ) -> Option<Event> {
        let now = crate::now();
        // Relays may refuse an event of a clock that was ahead, and then one that is later still.
        let is_plausible =
            |last: &Event| last.created_at.as_secs() <= now.get() + AHEAD_SECONDS_MAX;
        let last = self.latest.get(subject).filter(is_plausible);
        let urls: Vec<String> = self.all().iter().map(|relay| relay.url().to_string()).collect();
        match announcement::due(subject, node, &urls, last.as_ref(), now) {
            None => last,
            Some(event) => {
                let event = event.sign_with_keys(&self.keys).ok()?;
                self.latest.put(subject, event.clone());
                Some(event)
            }
        }
    }

    /// Sends the event. Have all of them accepted it?
    async fn offer(&self, event: &Event, to: &[Relay]) -> bool {
        let kind = event.kind.as_u16();
        // The relay may have lost it.
        self.outgoing.forget(&event.id);
        let events = std::slice::from_ref(event);
        let delivery = self.outgoing.deliver(events, to, to.len(), ANSWER_TIMEOUT).await;
        tracing::trace!(target: "compute", id = %event.id, kind, ?delivery, "out");
        if delivery != SendOutcome::Delivered {
            tracing::warn!(
                kind,
                relays = to.len(),
                "some relays did not accept the announcement, retrying later"
            );
        }
        delivery == SendOutcome::Delivered
    }

    /// Deletes the announcement.
    pub(super) async fn withdraw(&self) {
        let Some(last) = self.latest.get(AnnouncementKind::Announcement) else { return };
        let connected = self.connected();
        let now = crate::now();
        let emptied = announcement::emptied(Some(&last), now)
            .and_then(|event| event.sign_with_keys(&self.keys).ok());
        let Some(emptied) = emptied.filter(|_| !connected.is_empty()) else { return };
        self.offer(&emptied, &connected).await;
        if let Ok(deletion) =
            announcement::deletion(&emptied, Some(&last), self.last_heartbeat().as_ref(), now)
                .sign_with_keys(&self.keys)
        {
            self.offer(&deletion, &connected).await;
        }
    }
}

/// Asks each relay, over its own connection, for the announcement of this key, as a customer would
/// find it. Errors have one line. Uses `keys` where a relay requires authentication.
pub async fn read_announcement(
    keys: &Keys,
    of: PublicKey,
    relays: &[String],
    within: Duration,
) -> Vec<(String, Result<Option<Announced>, String>)> {
    let read = relays.iter().map(|url| async move {
        let found = timeout(within, read_from(keys, of, url, within)).await;
        (url.clone(), found.unwrap_or_else(|_| Err(QueryError::TimedOut.to_string())))
    });
    join_all(read).await
}

async fn read_from(
    keys: &Keys,
    of: PublicKey,
    url: &str,
    within: Duration,
) -> Result<Option<Announced>, String> {
    let of = nostr_sdk::PublicKey::from_byte_array(*of.as_bytes());
    let client = Client::builder().signer(keys.clone()).websocket_transport(RelayTransport).build();
    client.add_relay(url).await.map_err(|error| error.to_string())?;
    let connected = !client.try_connect(within).await.success.is_empty();
    let found = if connected {
        let events = client
            .fetch_events(announcement::filter(of), within)
            .await
            .map_err(|error| error.to_string());
        events.map(|events| {
            events
                .into_iter()
                .filter(Event::verify_id)
                .find_map(|event| announcement::parse(&event))
        })
    } else {
        Err(QueryError::NotConnected.to_string())
    };
    client.shutdown().await;
    found
}

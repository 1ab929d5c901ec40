//! One relay under watch: subscribed whenever it is connected, and asked again when it closes the subscription.
//!
//! The subscription is ours, not the library's: the library forgets one that a relay closes, and repeats an old `since`.

use super::Options;
use super::limits::Limits;
use super::outgoing::Outgoing;
use crate::market::Change;
use crate::market::nip90::DELETION_KIND;
use nostr_sdk::prelude::{
    ClientMessage, Filter, Kind, Relay, RelayMessage, RelayNotification, RelayStatus, SubscriptionId, Timestamp,
};
use pylon_core::UnixTime;
use pylon_core::admission::MAX_AGE_SECONDS;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};

/// The name of our subscription, the same on every relay.
const SUBSCRIPTION: &str = "pylon";
/// Asked for again after a gap: clocks differ, events travel, and a dead connection is noticed late.
const OVERLAP_SECONDS: u64 = 600;
/// A relay that says neither events nor end of them is asked again.
const END_OF_STORED: Duration = Duration::from_secs(30);
/// Between two askings of a relay that keeps closing.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// A subscription that lived this long is no sign of trouble.
const STEADY: Duration = Duration::from_secs(60);

/// What all relays share.
pub(super) struct Shared {
    pub(super) kinds: watch::Receiver<Arc<[u16]>>,
    pub(super) changes: broadcast::Sender<Change>,
    pub(super) live: watch::Sender<usize>,
    pub(super) outgoing: Arc<Outgoing>,
    pub(super) limits: Arc<Limits>,
    pub(super) options: Options,
}

pub(super) struct Link {
    relay: Relay,
    id: SubscriptionId,
    shared: Arc<Shared>,
    connected: Option<bool>,
    /// Since when stored events are over and new ones flow.
    live: Option<Instant>,
    /// When it last was known to flow.
    flowed: Option<UnixTime>,
    ask_at: Option<Instant>,
    backoff: Duration,
}

impl Link {
    pub(super) fn new(relay: Relay, shared: Arc<Shared>) -> Self {
        let backoff = shared.options.backoff;
        let id = SubscriptionId::new(SUBSCRIPTION);
        Self { relay, id, shared, connected: None, live: None, flowed: None, ask_at: None, backoff }
    }

    /// Until the relay is shut down. `notifications` were taken before the relay began to connect.
    pub(super) async fn run(mut self, mut notifications: broadcast::Receiver<RelayNotification>) {
        let mut kinds = self.shared.kinds.clone();
        loop {
            let ask_at = self.ask_at;
            tokio::select! {
                notification = notifications.recv() => match notification {
                    Ok(RelayNotification::Shutdown) | Err(RecvError::Closed) => break,
                    Ok(notification) => self.heard(notification),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(url = %self.relay.url(), missed, "messages of a relay were missed: asking again");
                        self.status(self.relay.status());
                        self.ask();
                    }
                },
                () = async { if let Some(at) = ask_at { sleep_until(at).await } }, if ask_at.is_some() => {
                    self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
                    self.ask();
                }
                changed = kinds.changed() => match changed {
                    Ok(()) => self.ask(),
                    Err(_) => break,
                },
            }
        }
        self.set_live(false);
    }

    fn heard(&mut self, notification: RelayNotification) {
        match notification {
            RelayNotification::RelayStatus { status } => self.status(status),
            // It may have closed the subscription because it did not know us.
            RelayNotification::Authenticated if self.live.is_none() => self.ask(),
            RelayNotification::Message { message } => match message {
                RelayMessage::Ok { event_id, status, message } => {
                    self.shared.outgoing.heard(self.relay.url(), &event_id, status, &message);
                }
                RelayMessage::EndOfStoredEvents(id) if *id == self.id => {
                    self.ask_at = None;
                    self.set_live(true);
                }
                RelayMessage::Closed { subscription_id, message } if *subscription_id == self.id => {
                    tracing::warn!(url = %self.relay.url(), reason = excerpt(&message), "the relay closed our subscription");
                    if self.live.is_some_and(|since| since.elapsed() >= STEADY) {
                        self.backoff = self.shared.options.backoff;
                    }
                    self.set_live(false);
                    self.ask_at = Some(Instant::now() + self.backoff);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn status(&mut self, status: RelayStatus) {
        let connected = match status {
            RelayStatus::Connected => true,
            RelayStatus::Disconnected | RelayStatus::Terminated | RelayStatus::Banned => false,
            RelayStatus::Initialized | RelayStatus::Pending | RelayStatus::Connecting | RelayStatus::Sleeping => return,
        };
        if self.connected == Some(connected) {
            return;
        }
        let reason = match (connected, self.connected) {
            (true, _) => None,
            (false, None) => Some("cannot connect".to_owned()),
            (false, Some(_)) => Some("connection lost".to_owned()),
        };
        self.connected = Some(connected);
        // Nobody may be listening.
        let _ = self.shared.changes.send(Change { url: self.relay.url().to_string(), connected, reason });
        if connected {
            // Ends by itself, at its deadline.
            tokio::spawn(Arc::clone(&self.shared.limits).refresh(self.relay.url().clone()));
            self.backoff = self.shared.options.backoff;
            self.ask();
        } else {
            self.set_live(false);
            self.ask_at = None;
        }
    }

    /// Replaces the subscription by one that begins where the last one may have missed something.
    fn ask(&mut self) {
        if self.connected != Some(true) {
            return;
        }
        self.set_live(false);
        let now = super::now();
        let catch_up = now.minus(self.shared.options.catch_up.as_secs().min(MAX_AGE_SECONDS));
        let since = self.flowed.map_or(catch_up, |flowed| flowed.minus(OVERLAP_SECONDS).max(now.minus(MAX_AGE_SECONDS)));
        let kinds = self.shared.kinds.borrow().iter().copied().chain([DELETION_KIND]).map(Kind::from_u16).collect::<Vec<_>>();
        let filter = Filter::new().kinds(kinds).since(Timestamp::from_secs(since.get()));
        let asked = self.relay.send_msg(ClientMessage::req(self.id.clone(), vec![filter]));
        let patience = if asked.is_ok() { END_OF_STORED.max(self.backoff) } else { self.backoff };
        self.ask_at = Some(Instant::now() + patience);
    }

    fn set_live(&mut self, live: bool) {
        if live == self.live.is_some() {
            return;
        }
        if live {
            self.live = Some(Instant::now());
            self.shared.live.send_modify(|count| *count = count.saturating_add(1));
        } else {
            self.live = None;
            self.flowed = Some(super::now());
            self.shared.live.send_modify(|count| *count = count.saturating_sub(1));
        }
    }
}

/// Enough of a relay's words for a line of log.
fn excerpt(text: &str) -> &str {
    text.get(..text.floor_char_boundary(200)).unwrap_or_default()
}

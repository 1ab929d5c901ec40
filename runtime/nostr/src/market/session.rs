//! One relay under watch: subscribed whenever it is connected, and asked again when it closes the subscription.
//!
//! The subscription is ours, not the library's: the library forgets one that a relay closes, and repeats an old `since`.

use super::Options;
use super::limits::Limits;
use super::outgoing::Outgoing;
use super::queries::RelayQueries;
use super::results::Results;
use super::subscription::{Subscription, SubscriptionKind, Wanted};
use crate::Change;
use nostr_sdk::prelude::{
    ClientMessage, PublicKey, Relay, RelayMessage, RelayNotification, RelayStatus, RelayUrl,
    SubscriptionId,
};
use std::borrow::Cow;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::sleep_until;

/// A relay that was asked so often and has not said a word is left, for a new connection.
pub(super) const UNANSWERED_MAX: u32 = 3;

/// What all relays share.
pub(super) struct SessionContext {
    pub(super) us: PublicKey,
    /// Those that there are.
    pub(super) held: watch::Sender<Arc<[Relay]>>,
    pub(super) kinds: watch::Receiver<Arc<[u16]>>,
    pub(super) changes: broadcast::Sender<Change>,
    pub(super) live: watch::Sender<usize>,
    pub(super) outgoing: Arc<Outgoing>,
    pub(super) limits: Arc<Limits>,
    pub(super) queries: Arc<RelayQueries>,
    pub(super) results: Arc<Results>,
    pub(super) hang_up: broadcast::Sender<RelayUrl>,
    pub(super) options: Options,
}

pub(super) struct RelaySession {
    relay: Relay,
    shared: Arc<SessionContext>,
    connected: Option<bool>,
    /// Bytes that had come when it was last known to speak.
    heard_bytes: usize,
    subscriptions: [Subscription; SubscriptionKind::ALL.len()],
}

impl RelaySession {
    pub(super) fn new(relay: Relay, shared: Arc<SessionContext>) -> Self {
        let subscriptions =
            SubscriptionKind::ALL.map(|purpose| Subscription::new(purpose, &shared.options));
        Self { relay, shared, connected: None, heard_bytes: 0, subscriptions }
    }

    /// Until the relay is shut down. `notifications` were taken before the relay began to connect.
    pub(super) async fn run(mut self, mut notifications: broadcast::Receiver<RelayNotification>) {
        let mut kinds = self.shared.kinds.clone();
        let mut awaited = self.shared.results.awaited();
        loop {
            let next = self
                .subscriptions
                .iter()
                .filter_map(|each| Some((each.ask_at()?, each.purpose)))
                .min_by_key(|(at, _)| *at);
            tokio::select! {
                notification = notifications.recv() => match notification {
                    Ok(RelayNotification::Shutdown) | Err(RecvError::Closed) => break,
                    Ok(notification) => self.heard(notification),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(url = %self.relay.url(), missed, "messages of a relay were missed: asking again");
                        self.status(self.relay.status());
                        self.ask_all();
                    }
                },
                () = async { if let Some((at, _)) = next { sleep_until(at).await } }, if next.is_some() => {
                    if let Some((_, purpose)) = next {
                        self.ask_again(purpose);
                    }
                }
                changed = kinds.changed() => match changed {
                    Ok(()) => self.ask_all(),
                    Err(_) => break,
                },
                changed = awaited.changed() => match changed {
                    Ok(()) => self.ask(SubscriptionKind::Results),
                    Err(_) => break,
                },
            }
        }
        SubscriptionKind::ALL.into_iter().for_each(|purpose| self.stopped(purpose));
    }

    fn of(&mut self, purpose: SubscriptionKind) -> &mut Subscription {
        let [served, named, results, asks] = &mut self.subscriptions;
        match purpose {
            SubscriptionKind::Served => served,
            SubscriptionKind::Named => named,
            SubscriptionKind::Results => results,
            SubscriptionKind::Prices => asks,
        }
    }

    /// Whose subscription this is, if it is ours.
    fn purpose(&self, id: &SubscriptionId) -> Option<SubscriptionKind> {
        self.subscriptions.iter().find(|each| each.id == *id).map(|each| each.purpose)
    }

    fn heard(&mut self, notification: RelayNotification) {
        match notification {
            RelayNotification::RelayStatus { status } => self.status(status),
            // It may have closed a subscription because it did not know us.
            RelayNotification::Authenticated => {
                for purpose in SubscriptionKind::ALL {
                    if !self.of(purpose).is_live() {
                        self.ask(purpose);
                    }
                }
            }
            RelayNotification::Message { message } => match message {
                RelayMessage::Ok { event_id, status, message } => {
                    self.shared.outgoing.heard(self.relay.url(), &event_id, status, &message);
                }
                RelayMessage::EndOfStoredEvents(id) => match self.purpose(&id) {
                    Some(purpose) => self.flows(purpose),
                    None => self.shared.queries.ended(self.relay.url(), &id),
                },
                RelayMessage::Closed { subscription_id, message } => {
                    match self.purpose(&subscription_id) {
                        Some(purpose) => self.closed(purpose, &message),
                        None => self.shared.queries.closed(self.relay.url(), &subscription_id),
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn closed(&mut self, purpose: SubscriptionKind, message: &str) {
        let (url, reason) = (self.relay.url(), excerpt(message));
        match purpose {
            SubscriptionKind::Served => {
                tracing::warn!(%url, reason, "the relay closed our subscription")
            }
            SubscriptionKind::Named => {
                tracing::info!(%url, reason, "the relay does not look for requests that name us")
            }
            SubscriptionKind::Results => {
                tracing::info!(%url, reason, "the relay does not look for results that jobs wait for")
            }
            SubscriptionKind::Prices => {
                tracing::info!(%url, reason, "the relay does not tell what others ask")
            }
        }
        let first_backoff = self.shared.options.backoff;
        self.of(purpose).closed(first_backoff);
        self.stopped(purpose);
    }

    fn status(&mut self, status: RelayStatus) {
        let connected = match status {
            RelayStatus::Connected => true,
            RelayStatus::Disconnected | RelayStatus::Terminated | RelayStatus::Banned => false,
            RelayStatus::Initialized
            | RelayStatus::Pending
            | RelayStatus::Connecting
            | RelayStatus::Sleeping => return,
        };
        if self.connected == Some(connected) {
            return;
        }
        let is_held = self.shared.held.borrow().iter().any(|relay| relay.url() == self.relay.url());
        let reason = match self.connected {
            _ if connected => None,
            _ if !is_held => Some("not one of ours any more".to_owned()),
            None => Some("cannot connect".to_owned()),
            Some(_) => Some("connection lost".to_owned()),
        };
        self.connected = Some(connected);
        // Nobody may be listening.
        let _ = self.shared.changes.send(Change {
            url: self.relay.url().to_string(),
            connected,
            reason,
        });
        if connected {
            // Ends by itself, at its deadline.
            tokio::spawn(Arc::clone(&self.shared.limits).refresh(self.relay.url().clone()));
        }
        for purpose in SubscriptionKind::ALL {
            if connected {
                let first_backoff = self.shared.options.backoff;
                self.of(purpose).fresh(first_backoff);
                self.ask(purpose);
            } else {
                self.stopped(purpose);
                self.of(purpose).lost();
            }
        }
    }

    /// Its time has come: it flows and is looked after, or it was refused or not answered.
    fn ask_again(&mut self, purpose: SubscriptionKind) {
        if !self.of(purpose).is_live() {
            self.of(purpose).waited();
        }
        if purpose == SubscriptionKind::Served && self.is_mute() {
            tracing::warn!(url = %self.relay.url(), "the relay does not answer: connecting anew");
            // Nobody listens if the connection is gone already.
            let _ = self.shared.hang_up.send(self.relay.url().clone());
            let patience = self.shared.options.answer_timeout;
            self.of(purpose).answered();
            return self.of(purpose).asked(false, patience);
        }
        self.ask(purpose);
    }

    /// Has it been asked for requests again and again, and said nothing at all?
    fn is_mute(&mut self) -> bool {
        let bytes = self.relay.stats().bytes_received();
        if std::mem::replace(&mut self.heard_bytes, bytes) != bytes {
            self.of(SubscriptionKind::Served).answered();
        }
        self.of(SubscriptionKind::Served).unanswered() >= UNANSWERED_MAX
    }

    fn ask_all(&mut self) {
        SubscriptionKind::ALL.into_iter().for_each(|purpose| self.ask(purpose));
    }

    /// Replaces the subscription by one that begins where the last one may have missed something.
    fn ask(&mut self, purpose: SubscriptionKind) {
        if self.connected != Some(true) {
            return;
        }
        self.stopped(purpose);
        let flowed = self.of(purpose).flowed();
        let since = purpose.since(flowed, super::now(), &self.shared.options);
        let (kinds, results) =
            (Arc::clone(&self.shared.kinds.borrow()), self.shared.results.awaited_now());
        let filters = purpose.filters(&Wanted {
            kinds: &kinds,
            results: &results,
            us: self.shared.us,
            since,
        });
        let id = SubscriptionId::new(purpose.name());
        if filters.is_empty() {
            // What was asked for before is of no use any more.
            if self.of(purpose).end() {
                let _ = self.relay.send_msg(ClientMessage::Close(Cow::Owned(id)));
            }
            return;
        }
        let sent = self.relay.send_msg(ClientMessage::req(id, filters)).is_ok();
        let patience = self.shared.options.answer_timeout;
        self.of(purpose).asked(sent, patience);
    }

    fn flows(&mut self, purpose: SubscriptionKind) {
        if !self.of(purpose).is_live() && purpose == SubscriptionKind::Served {
            self.shared.live.send_modify(|count| *count = count.saturating_add(1));
        }
        // Where requests come from, silence would be noticed by nobody.
        let look =
            (purpose == SubscriptionKind::Served).then_some(self.shared.options.probe_interval);
        self.of(purpose).flows(look);
    }

    fn stopped(&mut self, purpose: SubscriptionKind) {
        if self.of(purpose).stopped() && purpose == SubscriptionKind::Served {
            self.shared.live.send_modify(|count| *count = count.saturating_sub(1));
        }
    }
}

/// Enough of a relay's words for a line of log.
fn excerpt(text: &str) -> &str {
    text.get(..text.floor_char_boundary(200)).unwrap_or_default()
}

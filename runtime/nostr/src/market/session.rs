//! The session with one relay: subscribes whenever it is connected, and again when the relay closes
//! a subscription.
//!
//! Subscriptions are managed here and not by the library, which forgets one that a relay closes,
//! and repeats an old `since`.

use super::clock_evidence::ClockEvidence;
use super::limits::RelayLimits;
use super::options::Options;
use super::outgoing::Outgoing;
use super::queries::RelayQueries;
use super::results::Results;
use super::subscription::{Subscription, SubscriptionKind, Wanted};
use crate::{RelayChange, refusal_reason};
use nostr_sdk::prelude::{
    ClientMessage, PublicKey, Relay, RelayMessage, RelayNotification, RelayStatus, RelayUrl,
    SubscriptionId,
};
use pylon_core::UnixTime;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};

/// After this many requests without any answer, the connection is replaced by a new one.
pub(super) const UNANSWERED_MAX: u32 = 3;
/// Interval at which a connected relay is asked for its limits and its time.
const REFRESH_INTERVAL: Duration = Duration::from_secs(3600);

/// What all sessions share.
pub(super) struct SessionContext {
    pub(super) us: PublicKey,
    /// The current relays.
    pub(super) held: watch::Sender<Arc<[Relay]>>,
    pub(super) kinds: watch::Receiver<Arc<[u16]>>,
    pub(super) changes: broadcast::Sender<RelayChange>,
    pub(super) live: watch::Sender<usize>,
    pub(super) outgoing: Arc<Outgoing>,
    pub(super) limits: Arc<RelayLimits>,
    pub(super) queries: Arc<RelayQueries>,
    pub(super) results: Arc<Results>,
    pub(super) disconnect: broadcast::Sender<RelayUrl>,
    pub(super) clock: Arc<ClockEvidence>,
    /// As in [`clock_watch::start`](super::clock_watch::start).
    pub(super) clock_steps: watch::Receiver<u64>,
    pub(super) options: Options,
}

pub(super) struct RelaySession {
    relay: Relay,
    shared: Arc<SessionContext>,
    connected: Option<bool>,
    /// Bytes received when the relay was last known to answer.
    heard_bytes: usize,
    /// When its limits and its time are asked for again.
    refresh_at: Instant,
    subscriptions: [Subscription; SubscriptionKind::ALL.len()],
}

impl RelaySession {
    pub(super) fn new(relay: Relay, shared: Arc<SessionContext>) -> Self {
        let subscriptions =
            SubscriptionKind::ALL.map(|kind| Subscription::new(kind, &shared.options));
        let refresh_at = Instant::now();
        Self { relay, shared, connected: None, heard_bytes: 0, refresh_at, subscriptions }
    }

    /// Runs until the relay is shut down. `notifications` must have been taken before the relay
    /// began to connect.
    pub(super) async fn run(mut self, mut notifications: broadcast::Receiver<RelayNotification>) {
        let mut kinds = self.shared.kinds.clone();
        let mut awaited = self.shared.results.awaited();
        let mut clock_steps = self.shared.clock_steps.clone();
        loop {
            let next = self
                .subscriptions
                .iter()
                .filter_map(|each| Some((each.retry_at()?, each.kind)))
                .min_by_key(|(at, _)| *at);
            tokio::select! {
                notification = notifications.recv() => match notification {
                    Ok(RelayNotification::Shutdown) | Err(RecvError::Closed) => break,
                    Ok(notification) => self.handle(notification),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(
                            url = %self.relay.url(),
                            missed,
                            "messages of the relay were lost, subscribing again"
                        );
                        self.status(self.relay.status());
                        self.subscribe_all();
                    }
                },
                () = async { if let Some((at, _)) = next { sleep_until(at).await } }, if next.is_some() => {
                    if let Some((_, kind)) = next {
                        self.on_timer(kind);
                    }
                }
                changed = kinds.changed() => match changed {
                    Ok(()) => self.subscribe_all(),
                    Err(_) => break,
                },
                changed = awaited.changed() => match changed {
                    Ok(()) => self.subscribe(SubscriptionKind::Results),
                    Err(_) => break,
                },
                () = sleep_until(self.refresh_at), if self.connected == Some(true) => {
                    self.refresh_limits();
                }
                changed = clock_steps.changed() => match changed {
                    Ok(()) => self.clock_was_set(),
                    Err(_) => break,
                },
            }
        }
        SubscriptionKind::ALL.into_iter().for_each(|kind| self.stopped(kind));
    }

    fn of(&mut self, kind: SubscriptionKind) -> &mut Subscription {
        let [served, named, results, prices] = &mut self.subscriptions;
        match kind {
            SubscriptionKind::Served => served,
            SubscriptionKind::Named => named,
            SubscriptionKind::Results => results,
            SubscriptionKind::Prices => prices,
        }
    }

    /// The kind of this subscription, if it is one of ours.
    fn kind(&self, id: &SubscriptionId) -> Option<SubscriptionKind> {
        self.subscriptions.iter().find(|each| each.id == *id).map(|each| each.kind)
    }

    fn handle(&mut self, notification: RelayNotification) {
        match notification {
            RelayNotification::RelayStatus { status } => self.status(status),
            // The relay may have closed a subscription because we were not authenticated.
            RelayNotification::Authenticated => {
                for kind in SubscriptionKind::ALL {
                    if !self.of(kind).is_live() {
                        self.subscribe(kind);
                    }
                }
            }
            RelayNotification::Message { message } => match message {
                RelayMessage::Ok { event_id, status, message } => {
                    self.shared.outgoing.on_ok(self.relay.url(), &event_id, status, &message);
                }
                RelayMessage::EndOfStoredEvents(id) => match self.kind(&id) {
                    Some(kind) => self.flows(kind),
                    None => self.shared.queries.ended(self.relay.url(), &id),
                },
                RelayMessage::Closed { subscription_id, message } => {
                    match self.kind(&subscription_id) {
                        Some(kind) => self.closed(kind, &message),
                        None => self.shared.queries.closed(self.relay.url(), &subscription_id),
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn closed(&mut self, kind: SubscriptionKind, message: &str) {
        let (url, reason) = (self.relay.url(), refusal_reason(message));
        match kind {
            SubscriptionKind::Served => {
                tracing::warn!(%url, reason, "the relay closed the subscription to requests")
            }
            SubscriptionKind::Named => {
                tracing::info!(
                    %url,
                    reason,
                    "the relay closed the subscription to requests that name this node"
                )
            }
            SubscriptionKind::Results => {
                tracing::info!(
                    %url,
                    reason,
                    "the relay closed the subscription to results of other jobs"
                )
            }
            SubscriptionKind::Prices => {
                tracing::info!(
                    %url,
                    reason,
                    "the relay closed the subscription to prices of other providers"
                )
            }
        }
        let first_backoff = self.shared.options.backoff;
        self.of(kind).closed(first_backoff);
        self.stopped(kind);
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
            _ if !is_held => Some("no longer configured".to_owned()),
            None => Some("cannot connect".to_owned()),
            Some(_) => Some("connection lost".to_owned()),
        };
        if self.connected == Some(true)
            && let Some(bytes) = self.shared.outgoing.on_disconnect(self.relay.url())
        {
            self.shared.limits.accepts_less_than(self.relay.url(), bytes);
        }
        self.connected = Some(connected);
        // There may be no receiver.
        let _ = self.shared.changes.send(RelayChange {
            url: self.relay.url().to_string(),
            connected,
            reason,
        });
        if connected {
            self.refresh_limits();
        }
        for kind in SubscriptionKind::ALL {
            if connected {
                let first_backoff = self.shared.options.backoff;
                self.of(kind).fresh(first_backoff);
                self.subscribe(kind);
            } else {
                self.stopped(kind);
                self.of(kind).lost();
            }
        }
    }

    /// The timer of a subscription: it is renewed, or it was refused or not answered.
    fn on_timer(&mut self, kind: SubscriptionKind) {
        if !self.of(kind).is_live() {
            self.of(kind).waited();
        }
        if kind == SubscriptionKind::Served && self.is_silent() {
            tracing::warn!(url = %self.relay.url(), "the relay does not answer, connecting again");
            // There is no receiver if the connection is closed already.
            let _ = self.shared.disconnect.send(self.relay.url().clone());
            let answer_timeout = self.shared.options.answer_timeout;
            self.of(kind).answered();
            return self.of(kind).requested(false, answer_timeout);
        }
        self.subscribe(kind);
    }

    /// Has the relay been asked repeatedly and sent nothing at all?
    fn is_silent(&mut self) -> bool {
        let bytes = self.relay.stats().bytes_received();
        if std::mem::replace(&mut self.heard_bytes, bytes) != bytes {
            self.of(SubscriptionKind::Served).answered();
        }
        self.of(SubscriptionKind::Served).unanswered() >= UNANSWERED_MAX
    }

    /// The times in the subscriptions, and those at which they were live, are of another clock.
    /// Events that were ignored for their date may be timely now.
    fn clock_was_set(&mut self) {
        for kind in SubscriptionKind::ALL {
            self.stopped(kind);
            self.of(kind).forget_flow();
        }
        self.subscribe_all();
    }

    /// Asks for the limits and the time of the relay, in a task that ends at its own timeout.
    fn refresh_limits(&mut self) {
        self.refresh_at = Instant::now() + REFRESH_INTERVAL;
        tokio::spawn(Arc::clone(&self.shared.limits).refresh(self.relay.url().clone()));
    }

    fn subscribe_all(&mut self) {
        SubscriptionKind::ALL.into_iter().for_each(|kind| self.subscribe(kind));
    }

    /// Replaces the subscription by one that starts where the previous one may have missed
    /// something.
    fn subscribe(&mut self, kind: SubscriptionKind) {
        if self.connected != Some(true) {
            return;
        }
        self.stopped(kind);
        let (flowed, now) = (self.of(kind).flowed(), self.shared.clock.now());
        let since = kind.since(flowed, now, self.begun_at());
        let (kinds, results) =
            (Arc::clone(&self.shared.kinds.borrow()), self.shared.results.awaited_now());
        let filters =
            kind.filters(&Wanted { kinds: &kinds, results: &results, us: self.shared.us, since });
        let id = SubscriptionId::new(kind.name());
        if filters.is_empty() {
            // The previous subscription is not needed any more.
            if self.of(kind).end() {
                let _ = self.relay.send_msg(ClientMessage::Close(Cow::Owned(id)));
            }
            return;
        }
        let sent = self.relay.send_msg(ClientMessage::req(id, filters)).is_ok();
        let answer_timeout = self.shared.options.answer_timeout;
        self.of(kind).requested(sent, answer_timeout);
    }

    /// Older requests are not subscribed to. By the clock as it is now, if it was set back.
    fn begun_at(&self) -> UnixTime {
        self.shared.options.since.minus(*self.shared.clock_steps.borrow())
    }

    fn flows(&mut self, kind: SubscriptionKind) {
        if !self.of(kind).is_live() && kind == SubscriptionKind::Served {
            self.shared.clock.set_live(self.relay.url(), true);
            self.shared.live.send_modify(|count| *count = count.saturating_add(1));
        }
        // Only the subscription to requests is renewed, because its silence would not be noticed
        // otherwise.
        let renewal =
            (kind == SubscriptionKind::Served).then_some(self.shared.options.probe_interval);
        self.of(kind).flows(renewal);
    }

    fn stopped(&mut self, kind: SubscriptionKind) {
        let now = self.shared.clock.now();
        if self.of(kind).stopped(now) && kind == SubscriptionKind::Served {
            self.shared.live.send_modify(|count| *count = count.saturating_sub(1));
            self.shared.clock.set_live(self.relay.url(), false);
        }
    }
}

//! Queries to our own relays for stored events that match a filter. Each query has one answer, from
//! the relay that was asked. Answers never enter the intake.

use crate::has_valid_id;
use nostr_sdk::prelude::{
    ClientMessage, Event, Filter, MatchEventOptions, Relay, RelayUrl, SubscriptionId,
};
use pylon_core::sync::lock;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Events of one answer; further ones are not read.
const EVENTS_MAX: usize = 32;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    /// The relay is not connected.
    #[error("not connected")]
    NotConnected,
    /// The relay refuses the query.
    #[error("the relay refuses to answer")]
    Refused,
    /// The relay does not answer.
    #[error("no answer in time")]
    TimedOut,
}

enum Reply {
    Event(Box<Event>),
    End,
    Refused,
}

struct PendingQuery {
    relay: RelayUrl,
    filter: Filter,
    replies: mpsc::Sender<Reply>,
}

/// All open queries.
#[derive(Default)]
pub(super) struct RelayQueries {
    open: Mutex<HashMap<SubscriptionId, PendingQuery>>,
    next_id: AtomicU64,
}

impl std::fmt::Debug for RelayQueries {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RelayQueries({})", self.open().len())
    }
}

impl RelayQueries {
    /// Queries one relay. The events of the answer are signed, match the filter, and their number
    /// is limited.
    pub(super) async fn query(
        self: &Arc<Self>,
        relay: &Relay,
        filter: Filter,
        deadline: Duration,
    ) -> Result<Vec<Event>, QueryError> {
        if !relay.is_connected() {
            return Err(QueryError::NotConnected);
        }
        let id =
            SubscriptionId::new(format!("pylon-q{}", self.next_id.fetch_add(1, Ordering::Relaxed)));
        let (replies, mut answer) = mpsc::channel(EVENTS_MAX + 1);
        self.open().insert(
            id.clone(),
            PendingQuery { relay: relay.url().clone(), filter: filter.clone(), replies },
        );
        let open = OpenQuery { queries: self, relay, id };
        let filter = filter.limit(EVENTS_MAX);
        relay
            .send_msg(ClientMessage::req(open.id.clone(), vec![filter]))
            .map_err(|_| QueryError::NotConnected)?;
        let mut events = Vec::new();
        let read = timeout(deadline, async {
            while events.len() < EVENTS_MAX {
                match answer.recv().await {
                    Some(Reply::Event(event)) => events.push(*event),
                    Some(Reply::End) | None => return Ok(()),
                    Some(Reply::Refused) => return Err(QueryError::Refused),
                }
            }
            Ok(())
        });
        match read.await {
            Ok(Ok(())) => Ok(events),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(QueryError::TimedOut),
        }
    }

    /// An event for this subscription. Returns true if it belongs to a query, even if the event is
    /// not used.
    pub(super) fn answered(&self, relay: &RelayUrl, id: &SubscriptionId, event: &Event) -> bool {
        let open = self.open();
        let Some(query) = open.get(id) else { return false };
        if query.relay == *relay
            && query.filter.match_event(event, MatchEventOptions::new())
            && has_valid_id(event)
        {
            // A full channel means that the relay sends more than was asked for.
            let _ = query.replies.try_send(Reply::Event(Box::new(event.clone())));
        }
        true
    }

    /// The relay has sent all events.
    pub(super) fn ended(&self, relay: &RelayUrl, id: &SubscriptionId) {
        self.last_reply(relay, id, Reply::End);
    }

    /// The relay refuses the query.
    pub(super) fn closed(&self, relay: &RelayUrl, id: &SubscriptionId) {
        self.last_reply(relay, id, Reply::Refused);
    }

    fn last_reply(&self, relay: &RelayUrl, id: &SubscriptionId, reply: Reply) {
        if let Some(query) = self.open().get(id).filter(|query| query.relay == *relay) {
            let _ = query.replies.try_send(reply);
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<SubscriptionId, PendingQuery>> {
        lock(&self.open)
    }
}

/// Closes the query when it is answered or dropped.
struct OpenQuery<'a> {
    queries: &'a RelayQueries,
    relay: &'a Relay,
    id: SubscriptionId,
}

impl Drop for OpenQuery<'_> {
    fn drop(&mut self) {
        self.queries.open().remove(&self.id);
        // If this fails, the relay forgets the subscription with the connection.
        let _ = self.relay.send_msg(ClientMessage::Close(Cow::Borrowed(&self.id)));
    }
}

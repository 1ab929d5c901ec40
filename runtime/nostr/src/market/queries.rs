//! RelayQueries to our own relays: which stored events match a filter. Asked once, answered once by the relay that was asked, and never part of the intake.

use nostr_sdk::prelude::{
    ClientMessage, Event, Filter, MatchEventOptions, Relay, RelayUrl, SubscriptionId,
};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Events that one answer may have; the rest of it is not read.
const EVENTS_MAX: usize = 32;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    /// Not connected now.
    #[error("not connected")]
    Away,
    /// It will not say.
    #[error("the relay refuses to answer")]
    Refused,
    /// It does not say.
    #[error("no answer in time")]
    Silent,
}

enum Reply {
    Event(Box<Event>),
    End,
    Refused,
}

struct Open {
    relay: RelayUrl,
    filter: Filter,
    replies: mpsc::Sender<Reply>,
}

/// Every question that waits for its answer.
#[derive(Default)]
pub(super) struct RelayQueries {
    open: Mutex<HashMap<SubscriptionId, Open>>,
    asked: AtomicU64,
}

impl std::fmt::Debug for RelayQueries {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RelayQueries({})", self.open().len())
    }
}

impl RelayQueries {
    /// Asks one relay. What it answers is signed, matches the filter, and is no more than a bounded number of events.
    pub(super) async fn ask(
        self: &Arc<Self>,
        relay: &Relay,
        filter: Filter,
        deadline: Duration,
    ) -> Result<Vec<Event>, QueryError> {
        if !relay.is_connected() {
            return Err(QueryError::Away);
        }
        let id =
            SubscriptionId::new(format!("pylon-q{}", self.asked.fetch_add(1, Ordering::Relaxed)));
        let (replies, mut answer) = mpsc::channel(EVENTS_MAX + 1);
        self.open().insert(
            id.clone(),
            Open { relay: relay.url().clone(), filter: filter.clone(), replies },
        );
        let asked = Asked { queries: self, relay, id };
        let filter = filter.limit(EVENTS_MAX);
        relay
            .send_msg(ClientMessage::req(asked.id.clone(), vec![filter]))
            .map_err(|_| QueryError::Away)?;
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
            Err(_) => Err(QueryError::Silent),
        }
    }

    /// An event came for this subscription. True if that is a question of ours, whatever becomes of the event.
    pub(super) fn answered(&self, relay: &RelayUrl, id: &SubscriptionId, event: &Event) -> bool {
        let open = self.open();
        let Some(question) = open.get(id) else { return false };
        // The library takes the id of a verified event as proof for whatever carries it. Only the hash proves it.
        if question.relay == *relay
            && question.filter.match_event(event, MatchEventOptions::new())
            && event.verify_id()
        {
            // Full means more than was asked for.
            let _ = question.replies.try_send(Reply::Event(Box::new(event.clone())));
        }
        true
    }

    /// That was all.
    pub(super) fn ended(&self, relay: &RelayUrl, id: &SubscriptionId) {
        self.last_reply(relay, id, Reply::End);
    }

    /// The relay does not answer this.
    pub(super) fn closed(&self, relay: &RelayUrl, id: &SubscriptionId) {
        self.last_reply(relay, id, Reply::Refused);
    }

    fn last_reply(&self, relay: &RelayUrl, id: &SubscriptionId, reply: Reply) {
        if let Some(question) = self.open().get(id).filter(|question| question.relay == *relay) {
            let _ = question.replies.try_send(reply);
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<SubscriptionId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends with the answer, also when nobody waits for it any more.
struct Asked<'a> {
    queries: &'a RelayQueries,
    relay: &'a Relay,
    id: SubscriptionId,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.queries.open().remove(&self.id);
        // The relay forgets it with the connection, if not now.
        let _ = self.relay.send_msg(ClientMessage::Close(Cow::Borrowed(&self.id)));
    }
}

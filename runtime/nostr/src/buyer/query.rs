//! A query to all relays at once. A relay can hide nothing of the others, neither by silence nor by
//! sending too much.

use super::publication::connected;
use crate::has_valid_id;
use futures::future::ready;
use futures::stream::{self, SelectAll};
use futures::{FutureExt, StreamExt};
use nostr_sdk::prelude::{Event, Filter, MatchEventOptions, Relay, ReqExitPolicy};
use pylon_core::text::excerpt;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Timeout of a query.
pub(super) const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout of the other relays once one has sent everything.
pub(super) const OTHERS_TIMEOUT: Duration = Duration::from_secs(2);
/// The library ends a subscription silently at this timeout. Ours is shorter, so that silence is
/// not mistaken for the end of the answer.
const SUBSCRIBED_TIMEOUT: Duration = Duration::from_secs(6);
/// Characters of a relay's error message.
const REASON_CHARS_MAX: usize = 200;

/// What one relay may send.
#[derive(Clone, Copy)]
pub(super) struct QueryLimit {
    /// Number of events.
    pub events: usize,
    /// Bytes of their texts.
    pub bytes: u64,
}

/// The events of all relays.
pub(super) struct QueryResult {
    /// The newest first.
    pub events: BTreeSet<Event>,
    /// Relays that may have further events, with the reason why they did not send them.
    pub unanswered: BTreeMap<String, String>,
}

/// The state of one relay.
struct RelayProgress {
    relay: Relay,
    left: QueryLimit,
    end: Option<Result<(), String>>,
}

/// Queries these relays until all have answered or the deadline passes. The limit applies to each
/// relay. A filter with ids is answered as soon as all of them are found.
pub(super) async fn query(
    relays: impl Iterator<Item = Relay>,
    filter: &Filter,
    limit: QueryLimit,
    mut until: Instant,
) -> QueryResult {
    let (mut answers, mut replies) = (Vec::new(), SelectAll::new());
    for (at, relay) in relays.enumerate() {
        let (asked, limited) = (relay.clone(), filter.clone().limit(limit.events));
        let answer = async move {
            let connection = connected(&asked, until.saturating_duration_since(Instant::now()));
            if let Err(reason) = connection.await {
                return stream::once(ready(Some(Err(reason)))).boxed();
            }
            match asked.stream_events(limited, SUBSCRIBED_TIMEOUT, ReqExitPolicy::ExitOnEOSE).await
            {
                Ok(events) => {
                    let events = events.map(|event| Some(event.map_err(|error| error.to_string())));
                    events.chain(stream::once(ready(None))).boxed()
                }
                Err(error) => stream::once(ready(Some(Err(error.to_string())))).boxed(),
            }
        };
        replies.push(answer.flatten_stream().map(move |reply| (at, reply)).boxed());
        answers.push(RelayProgress { relay, left: limit, end: None });
    }
    let (mut events, mut missing) = (BTreeSet::new(), filter.ids.clone());
    while answers.iter().any(|answer| answer.end.is_none()) {
        let reply = tokio::select! {
            reply = replies.next() => reply,
            () = sleep_until(until) => None,
        };
        let Some((at, reply)) = reply else { break };
        let Some(answer) = answers.get_mut(at).filter(|answer| answer.end.is_none()) else {
            continue;
        };
        match reply {
            Some(Ok(event)) if answer.keeps(&event, filter) => {
                missing.iter_mut().for_each(|missing| _ = missing.remove(&event.id));
                events.insert(event);
            }
            Some(Ok(_)) => {}
            Some(Err(reason)) => answer.end = Some(Err(reason)),
            None if answer.relay.is_connected() => answer.end = Some(Ok(())),
            None => answer.end = Some(Err("the connection was lost".into())),
        }
        if missing.as_ref().is_some_and(BTreeSet::is_empty) {
            return QueryResult { events, unanswered: BTreeMap::new() };
        }
        if answer.end == Some(Ok(())) {
            until = until.min(Instant::now() + OTHERS_TIMEOUT);
        }
    }
    QueryResult {
        events,
        unanswered: answers.into_iter().filter_map(RelayProgress::unanswered).collect(),
    }
}

impl RelayProgress {
    /// Does the event match the filter, and is it within the limit?
    fn keeps(&mut self, event: &Event, filter: &Filter) -> bool {
        if !filter.match_event(event, MatchEventOptions::new()) || !has_valid_id(event) {
            return false;
        }
        let Some((events, bytes)) =
            self.left.events.checked_sub(1).zip(self.left.bytes.checked_sub(text_bytes(event)))
        else {
            // An error, so that a command shows it, too.
            tracing::error!(
                url = %self.relay.url(),
                "the relay sends more than was requested, ignoring the rest"
            );
            self.end = Some(Ok(()));
            return false;
        };
        self.left = QueryLimit { events, bytes };
        true
    }

    /// Why the relay may have further events.
    fn unanswered(self) -> Option<(String, String)> {
        let reason = match self.end {
            Some(Ok(())) => return None,
            Some(Err(reason)) => excerpt(&reason, REASON_CHARS_MAX),
            None => "the answer did not end in time".to_owned(),
        };
        tracing::warn!(url = %self.relay.url(), reason, "incomplete answer from a relay");
        Some((self.relay.url().to_string(), reason))
    }
}

fn text_bytes(event: &Event) -> u64 {
    let tags = event.tags.iter().flat_map(|tag| tag.as_slice()).map(String::len);
    tags.chain([event.content.len()]).fold(0, |sum, bytes| sum.saturating_add(bytes as u64))
}
